import type { fdinfo_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { type Refusal, refusedTarget } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { listThreads } from "../../proc/tasks.ts"
import { borrowDescriptors } from "./copies.ts"
import type { Collecting, Found, PipeData, Surveying } from "./kind.ts"
import { findPipeHolders, pipeInode } from "./pipe/holders.ts"
import { scanDescriptors } from "./scan.ts"
import { groupShared } from "./sharing.ts"
import { refusedDescriptors, refusedThreads, rowOf } from "./survey.ts"
import type { FileTable } from "./table.ts"

const log = logger("files")

/** How terminals are judged. */
export interface FileOptions {
  /** Terminals are taken over from whoever restores: CRIU's --shell-job. */
  readonly shellJob: boolean
}

/** The descriptors of a process as images want them. The files themselves are in the table. */
export interface Descriptors {
  /** Ascending by number. */
  readonly fdinfos: readonly fdinfo_entry[]
  /** One a pipe that can be read. */
  readonly pipesData: readonly PipeData[]
  readonly ttyInfos: readonly tty_info_entry[]
  /** What CRIU's images have no field for. */
  readonly extension: stasis_file_entry[]
}

/** What rows look at. */
const surveying = (pid: number, all: readonly Found[], shellJob: boolean, holders: ReadonlyMap<bigint, number>): Surveying => ({
  shellJob,
  descriptors: new Map(all.map((found) => [found.fd, found])),
  threads: listThreads(pid),
  pipeHolder: (inode) => holders.get(inode),
})

/**
 * What a dump could not keep among the descriptors of a running process. Nothing is stopped or changed.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · E_KERNEL
 */
export function surveyDescriptors(pid: number, { shellJob }: FileOptions): Refusal[] {
  using copies = borrowDescriptors(pid)
  const all = scanDescriptors(pid, copies)
  const hasPipes = all.some(({ target }) => pipeInode(target) !== undefined)
  const holders = hasPipes ? findPipeHolders(pid) : new Map<bigint, number>()
  return [...refusedDescriptors(all, surveying(pid, all, shellJob, holders)), ...refusedThreads(pid)]
}

/**
 * The descriptors of a frozen process -> their entries. Mirror: restoreDescriptors of ./restore.ts
 *
 * @param table gets an entry for every open file
 * @throws CheckpointError E_UNSUPPORTED something has been opened since the survey that cannot be kept
 *
 * Precondition: the process is stopped. It is not changed: pipes keep their content, files their offsets.
 */
export function collectDescriptors(pid: number, table: Pick<FileTable, "nextId" | "add" | "path">, { shellJob }: FileOptions): Descriptors {
  using copies = borrowDescriptors(pid)
  const all = scanDescriptors(pid, copies)
  // Who else holds a pipe was looked up before the freeze: it takes a walk through every process.
  const refused = refusedDescriptors(all, surveying(pid, all, shellJob, new Map()))
  if (refused.length > 0) throw refusedTarget(pid, refused)
  const fdinfos: fdinfo_entry[] = []
  const collecting: Collecting = { table, copies, pipesData: new Map(), ttyInfos: new Map(), extension: [] }
  for (const shared of groupShared(all)) {
    const [first] = shared
    const row = rowOf(first)
    if (!row) throw new Error(`Unreachable: fd ${first.fd} was not refused and has no row`)
    const id = table.nextId()
    table.add(row.collect({ ...first, id }, collecting))
    for (const { fd, cloexec } of shared) fdinfos.push({ id, flags: cloexec ? 1 : 0, type: row.type, fd })
  }
  log.debug(`${fdinfos.length} descriptors of task ${pid}`)
  return {
    fdinfos: fdinfos.sort((a, b) => a.fd - b.fd),
    pipesData: [...collecting.pipesData.values()],
    ttyInfos: [...collecting.ttyInfos.values()],
    extension: collecting.extension,
  }
}
