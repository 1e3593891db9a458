import { IPPROTO } from "../../../ffi/abi/socket.ts"
import type { fdinfo_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { file_lock_entry } from "../../../proto/gen/file-lock_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_data_entry, tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { refusedTarget } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { Collecting, FileOptions, Holder } from "./collecting.ts"
import { borrowDescriptors } from "./copies.ts"
import { judgeAll, scanAll } from "./judged.ts"
import { findLeadingOut, notesOn, type OpenFiles } from "./leading-out.ts"
import { collectFileLocks } from "./lock/collect.ts"
import { findOutsiders, NOBODY } from "./outsiders.ts"
import type { BpfMapData, PipeData, SocketData } from "./payloads.ts"
import type { Connections } from "./socket/inet/connections.ts"
import { isConnected } from "./socket/inet/survey.ts"
import { isPacket, lossesOf } from "./socket/packet-sk/survey.ts"
import { collectQueues } from "./socket/unix/collect.ts"
import { lookInFlight } from "./socket/unix/flight.ts"
import { rehearsePeek } from "./socket/unix/queue.ts"
import { hasPeer, inodeOf, isConnectedAnew, isUnix } from "./socket/unix/scene.ts"
import { describeRefused, kindWord, type Refused, refusedOf, refusedThreads, rowOf, stillRefused } from "./survey.ts"
import { collectQueued } from "./tty/queued.ts"

const log = logger("files")

/** When something is collected. */
export interface CollectMoment {
  /** The processes are stopped: what is queued in terminals may be taken out and put back. */
  readonly stopped: boolean
  /** Time that a clock shows to the tree now, ns. @param clock CLOCK_* number */
  clock(clock: number): bigint
  /** Even number of descriptors of a process that are enough; all when undefined. */
  readonly most?: number
}

/** The descriptors of a dump as images want them. The files themselves are in the table. */
export interface Descriptors {
  /** By process, ascending by number. */
  readonly fdinfos: ReadonlyMap<number, readonly fdinfo_entry[]>
  /** One a pipe that can be read. */
  readonly pipesData: readonly PipeData[]
  /** What was in the queues of sockets, in their order. */
  readonly skQueues: readonly SocketData[]
  readonly fifoData: readonly PipeData[]
  /** Contents of BPF maps. */
  readonly bpfMapsData: readonly BpfMapData[]
  readonly ttyInfos: readonly tty_info_entry[]
  /** What is queued in terminals. */
  readonly ttyData: readonly tty_data_entry[]
  readonly locks: readonly file_lock_entry[]
  /** What CRIU's images have no field for. */
  readonly extension: stasis_file_entry[]
  /** What is lost although its object is kept, for people. */
  readonly losses: readonly string[]
}

/**
 * Looks at the descriptors of running processes. Nothing is stopped or changed.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · E_KERNEL
 */
export function lookAtDescriptors(holders: readonly Holder[], options: FileOptions): OpenFiles {
  const first = lookOnce(holders, options)
  let { refused } = first
  for (let again = 1; refused.length > 0 && again < LOOKS; again++) refused = stillRefused(refused, lookOnce(holders, options).refused)
  return { ...first, refusals: [...describeRefused(refused), ...holders.flatMap(({ pid, threads }) => refusedThreads(pid, threads))] }
}

/** Looks at running processes before an open file counts as one that cannot be kept. */
const LOOKS = 4

function lookOnce(
  holders: readonly Holder[],
  options: FileOptions,
): Pick<OpenFiles, "descriptors" | "kinds" | "outside" | "notes" | "losses"> & { refused: Refused[] } {
  using scope = new DisposableStack()
  const inside = new Set(holders.map(({ pid }) => pid))
  const scans = scanAll(holders, scope, true)
  const { judged, outsiders, packetSockets } = judgeAll(holders, scans, options, (all) => findOutsiders(inside, all))
  const kinds = new Map<string, number>()
  for (const { by } of judged) kinds.set(kindWord(by), (kinds.get(kindWord(by)) ?? 0) + 1)
  return {
    descriptors: new Map([...scans].map(([pid, { found }]) => [pid, found.length])),
    kinds,
    outside: findLeadingOut(judged, outsiders, options),
    notes: notesOn(judged, outsiders, options),
    losses: judged.flatMap(({ by, reason }) => {
      const packet = reason ? undefined : packetSockets.get(by.stat.ino)
      return packet && isPacket(by) ? lossesOf(packet, `task ${by.pid} fd ${by.fd}`) : []
    }),
    refused: refusedOf(judged),
  }
}

/**
 * The descriptors of frozen processes -> their entries. Mirror: restoreDescriptors of ./restore.ts
 *
 * @param holders one for each table of descriptors
 * @param table gets an entry for every open file
 * @param connections takes TCP connections, unless they are to be closed; without it they are not touched
 * @throws CheckpointError E_UNSUPPORTED something has been opened since the survey that cannot be kept
 *
 * Precondition: the processes are stopped, or `stopped` is not said. They are not changed: pipes, sockets and terminals keep their content,
 * files their offsets.
 */
export function collectDescriptors(
  holders: readonly Holder[],
  table: Collecting["table"],
  options: FileOptions & CollectMoment,
  connections?: Connections,
): Descriptors {
  using scope = new DisposableStack()
  const scans = scanAll(holders, scope, false, options.most)
  // Who else has a pipe, a connection or a terminal was looked up before the freeze: it takes a walk through every process.
  const found = options.stopped ? [...scans.values()].flatMap((scan) => scan.found) : []
  if (!options.stopped) rehearsePeek()
  const flight = scope.use(lookInFlight(found, (pid) => scans.get(pid)?.copies))
  const { judged, unix, inetSockets, packetSockets, hasBothEnds } = judgeAll(holders, scans, options, () => NOBODY, flight)
  const refused = refusedOf(judged)
  if (refused.length > 0) throw refusedTarget(holders[0]?.pid ?? 0, describeRefused(refused))
  if (connections) {
    for (const { by } of judged) {
      const found = by.socket?.protocol === IPPROTO.TCP ? inetSockets.get(by.stat.ino) : undefined
      if (found && isConnected(found.state)) scans.get(by.pid)?.copies.lend(by.fd, (copy) => connections.keep(Number(by.stat.ino), copy))
    }
    connections.lock()
  }
  const fdinfos = new Map(holders.map(({ pid }): [number, fdinfo_entry[]] => [pid, []]))
  const locks: file_lock_entry[] = []
  const collected = {
    table,
    keeping: options,
    pipesData: new Map(),
    fifoData: new Map(),
    bpfMapsData: new Map(),
    ttyInfos: new Map(),
    ttyEnds: new Map(),
    externals: options.externals ?? [],
    hasBothEnds,
    unix,
    outsidePeers: new Map(),
    extension: [],
    losses: [],
    clock: options.clock,
    inetSockets,
    packetSockets,
    connections,
  }
  const ours = flight.found.length > 0 ? scope.use(borrowDescriptors(process.pid)) : undefined
  const collectedBy = new Map<number, Collecting>()
  const flying = new Map<number, number>()
  const socketIds = new Map<number, number>()
  // CRIU finds a peer only among the sockets that it has read before.
  for (const { shared, by } of judged.sort((a, b) => Number(hasPeer(a.by, unix)) - Number(hasPeer(b.by, unix)))) {
    const row = rowOf(by)
    const copies = by.pid === process.pid ? ours : scans.get(by.pid)?.copies
    if (!row || !copies) throw new Error(`Unreachable: fd ${by.fd} was not refused and has no row`)
    const id = table.nextId()
    table.add(
      row.collect(
        { ...by, id },
        collectedBy.getOrInsertComputed(by.pid, () => ({ ...collected, copies })),
      ),
    )
    locks.push(...collectFileLocks(shared))
    if (isUnix(by)) socketIds.set(inodeOf(by), id)
    for (const { pid, fd, cloexec } of shared) {
      if (pid === process.pid) flying.set(fd, id)
      fdinfos.get(pid)?.push({ id, flags: cloexec ? 1 : 0, type: row.type, fd })
    }
  }
  const skQueues = collectQueues(
    flight,
    socketIds,
    (fd) => flying.get(fd) ?? 0,
    (ino) => !isConnectedAnew(ino, unix),
  )
  for (const [pid, entries] of fdinfos) {
    entries.sort((a, b) => a.fd - b.fd)
    log.debug(`${entries.length} descriptors of task ${pid}`)
  }
  const { pipesData, fifoData, bpfMapsData, ttyInfos, ttyEnds, extension, losses } = collected
  const ttyData = options.stopped ? collectQueued(ttyEnds, losses) : []
  return {
    fdinfos,
    pipesData: [...pipesData.values()],
    fifoData: [...fifoData.values()],
    bpfMapsData: [...bpfMapsData.values()],
    skQueues,
    ttyInfos: [...ttyInfos.values()],
    ttyData,
    extension,
    locks,
    losses,
  }
}
