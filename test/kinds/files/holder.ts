import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { decode } from "../../../proto/decode.ts"
import { encode } from "../../../proto/encode.ts"
import { fdinfo_entrySchema, file_entrySchema } from "../../../proto/gen/fdinfo_pb.ts"
import { pipe_data_entrySchema } from "../../../proto/gen/pipe-data_pb.ts"
import { sk_packet_entrySchema } from "../../../proto/gen/sk-packet_pb.ts"
import { stasis_file_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import { tty_info_entrySchema } from "../../../proto/gen/tty_pb.ts"
import type { AnySchema, MessageOf } from "../../../proto/schema.ts"
import type { ImageSet } from "../../../src/image/set.ts"
import { readGhost, writeStreamed } from "../../../src/image/streamed.ts"
import { clockNow } from "../../../src/kinds/clocks/now.ts"
import { collectDescriptors } from "../../../src/kinds/files/collect.ts"
import type { FileOptions } from "../../../src/kinds/files/collecting.ts"
import type { GhostPart } from "../../../src/kinds/files/ghost/collect.ts"
import { savedGhosts } from "../../../src/kinds/files/ghost/saved.ts"
import { filesById } from "../../../src/kinds/files/ids.ts"
import type { FileImages } from "../../../src/kinds/files/images.ts"
import { USUAL } from "../../../src/kinds/files/keeping.ts"
import { savedDeparted } from "../../../src/kinds/files/regular/departed.ts"
import { REFUSED } from "../../../src/kinds/files/socket/inet/modes.ts"
import { FileTable } from "../../../src/kinds/files/table.ts"
import { readStat } from "../../../src/proc/stat.ts"
import { listThreads } from "../../../src/proc/tasks.ts"
import { compileFixture } from "../../harness/compile.ts"
import { waitFor } from "../../harness/deadline.ts"
import { scratch } from "../../harness/folders.ts"
import { signal } from "../../harness/process.ts"

/** A running holder.c. Disposal kills it. */
export interface Holder extends Disposable {
  readonly pid: number
  /** The child that it made, if the kind says so. */
  readonly child: number
  /** The folder that holds its files. */
  readonly folder: string
}

/** Starts holder.c. It is nobody's child that Bun would wait for, so it can be traced. */
export async function startHolder(kind: string): Promise<Holder> {
  const folder = scratch("held")
  const output = join(scratch("held-output"), "output")
  writeFileSync(output, "")
  const program = compileFixture("kinds/files/holder.c")
  const command = ["sh", "-c", `"$0" "$1" "$2" >"$3" 2>&1 </dev/null & echo $!`, program, kind, folder, output]
  const pid = Number(Bun.spawnSync(command, { stdin: "ignore", env: {} }).stdout.toString())
  const said = await waitFor(`holder.c ${kind}`, () => {
    const text = readFileSync(output, "utf8")
    return text.includes("ready") || text.includes("holder:") ? text : undefined
  })
  if (!said.includes("ready")) throw new Error(said)
  const child = Number(/^child (\d+)$/m.exec(said)?.[1] ?? 0)
  return { pid, child, folder, [Symbol.dispose]: () => void signal(pid, "SIGKILL") }
}

/** A process as collectDescriptors wants it. */
export const holding = (pid: number) => ({ pid, threads: listThreads(pid), group: readStat(pid).pgrp })

/** A table without shared memory. */
export const plainTable = (): FileTable =>
  new FileTable(() => {
    throw new Error("no shared memory is mapped here")
  }, USUAL)

/** A message as it comes back from its bytes. */
const through = <S extends AnySchema>(schema: S, message: MessageOf<S>): MessageOf<S> =>
  decode(schema, encode(schema, message)) as MessageOf<S>

/** A deleted file through its image. */
export function throughImage(parts: readonly GhostPart[]): ReturnType<ImageSet["ghost"]> {
  const path = join(scratch("ghost-image"), "ghost-file-1.img")
  const fd = openSync(path, "wx+")
  writeStreamed(fd, "ghost-file", parts)
  closeSync(fd)
  return { path, entries: readGhost(path) }
}

/** The parts of a deleted file, through the bytes of its image. */
export const ghostParts = ({ ghosts }: FileTable, number: number) => throughImage(ghosts.files.get(number) ?? [])

/** The files of a process as images tell them: every message went through its bytes. */
export function imagesOf(pid: number, options: FileOptions = { ...USUAL, ...REFUSED, shellJob: false }): FileImages {
  const table = plainTable()
  const { fdinfos, pipesData, fifoData, bpfMapsData, skQueues, ttyInfos, ttyData, extension } = collectDescriptors([holding(pid)], table, {
    ...options,
    stopped: true,
    clock: clockNow,
  })
  return {
    fdinfos: (fdinfos.get(pid) ?? []).map((info) => through(fdinfo_entrySchema, info)),
    files: new Map(table.entries.map((entry) => [entry.id, through(file_entrySchema, entry)])),
    pipesData: pipesData.map(({ message, payload }) => ({ message: through(pipe_data_entrySchema, message), payload })),
    skQueues: skQueues.map(({ message, payload }) => ({ message: through(sk_packet_entrySchema, message), payload })),
    fifoData,
    bpfMapsData,
    ttyInfos: ttyInfos.map((info) => through(tty_info_entrySchema, info)),
    ttyData,
    tcpStreams: new Map(),
    extension: extension.map((facts) => through(stasis_file_entrySchema, facts)),
    departed: savedDeparted(table.ghosts.remaps, filesById(table.entries), () => false),
    ghosts: savedGhosts(table.ghosts.remaps, new Map(table.entries.map((entry) => [entry.id, entry])), (number) =>
      ghostParts(table, number),
    ),
  }
}
