import { IPPROTO } from "../../../ffi/abi/socket.ts"
import type { fdinfo_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { file_lock_entry } from "../../../proto/gen/file-lock_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import { collectFiles, emptyTables } from "./collect-files.ts"
import type { Collecting, CollectMoment, FileOptions, Insider } from "./collecting.ts"
import type { FileImages } from "./images.ts"
import { type JudgedFiles, judgeForGood } from "./judge.ts"
import type { Connections } from "./socket/inet/connections.ts"
import { isConnected } from "./socket/inet/survey.ts"
import { collectQueues } from "./socket/unix/collect.ts"
import { isConnectedAnew } from "./socket/unix/scene.ts"
import { collectQueued } from "./tty/queued.ts"

/** The descriptors of a dump as images want them. The files themselves are in the table. */
interface Descriptors extends Pick<FileImages, "pipesData" | "skQueues" | "fifoData" | "bpfMapsData" | "ttyInfos" | "ttyData"> {
  /** By process, ascending by number. */
  readonly fdinfos: ReadonlyMap<number, readonly fdinfo_entry[]>
  readonly locks: readonly file_lock_entry[]
  /** What CRIU's images have no field for. */
  readonly extension: stasis_file_entry[]
  /** What is lost although its object is kept, for people. */
  readonly losses: readonly string[]
}

/** Hands TCP connections over to who keeps them, and has their packets held off. */
function keepConnections({ judged, scans, inetSockets }: JudgedFiles, connections: Connections): void {
  for (const { by } of judged) {
    const found = by.socket?.protocol === IPPROTO.TCP ? inetSockets.get(by.stat.ino) : undefined
    if (found && isConnected(found.state)) scans.get(by.pid)?.copies.lend(by.fd, (copy) => connections.keep(Number(by.stat.ino), copy))
  }
  connections.lock()
}

/**
 * The descriptors of frozen processes -> their entries. Mirror: restoreDescriptors of ./restore.ts
 *
 * @param insiders one for each table of descriptors
 * @param table gets an entry for every open file
 * @param connections takes TCP connections, unless they are to be closed; without it they are not touched
 * @throws CheckpointError E_UNSUPPORTED something has been opened since the survey that cannot be kept
 *
 * Precondition: the processes are stopped, or `stopped` is not said. They are not changed: pipes, sockets and terminals keep their content,
 * files their offsets.
 */
export function collectDescriptors(
  insiders: readonly Insider[],
  table: Collecting["table"],
  options: FileOptions & CollectMoment,
  connections?: Connections,
): Descriptors {
  using scope = new DisposableStack()
  const judged = judgeForGood(insiders, options, scope)
  if (connections) keepConnections(judged, connections)
  const tables = emptyTables(judged, table, options, connections)
  const { fdinfos, locks, flying, socketIds } = collectFiles(insiders, judged, tables, scope)
  const { pipesData, fifoData, bpfMapsData, ttyInfos, ttyEnds, extension, losses } = tables
  return {
    fdinfos,
    pipesData: [...pipesData.values()],
    fifoData: [...fifoData.values()],
    bpfMapsData: [...bpfMapsData.values()],
    skQueues: collectQueues(
      judged.flight,
      socketIds,
      (fd) => flying.get(fd) ?? 0,
      (ino) => !isConnectedAnew(ino, judged.unix),
    ),
    ttyInfos: [...ttyInfos.values()],
    ttyData: options.stopped ? collectQueued(ttyEnds, losses) : [],
    extension,
    locks,
    losses,
  }
}
