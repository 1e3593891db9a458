import type { fdinfo_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { file_lock_entry } from "../../../proto/gen/file-lock_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { logger } from "../../base/log.ts"
import { sortByNumber } from "../../base/order.ts"
import { type Group, readGroups } from "../../proc/groups.ts"
import type { Collecting, CollectMoment, FileOptions, Insider, TtyEnds } from "./collecting.ts"
import { borrowDescriptors } from "./copies.ts"
import type { JudgedFiles } from "./judge.ts"
import { collectFileLocks } from "./lock/collect.ts"
import type { BpfMapData, PipeData } from "./payloads.ts"
import type { Connections } from "./socket/inet/connections.ts"
import { hasPeer, inodeOf, isUnix } from "./socket/unix/scene.ts"
import { rowOf } from "./survey.ts"

const log = logger("files")

function groupsOnce(): () => readonly Group[] {
  let groups: readonly Group[] | undefined
  return () => (groups ??= readGroups())
}

/** Where rows put what they collect: empty. All processes have the same, but for the way to their descriptors. */
export const emptyTables = (
  { hasBothEnds, unix, inetSockets, packetSockets }: JudgedFiles,
  table: Collecting["table"],
  options: FileOptions & CollectMoment,
  connections: Connections | undefined,
) => ({
  table,
  keeping: options,
  pipesData: new Map<number, PipeData>(),
  fifoData: new Map<string, PipeData>(),
  bpfMapsData: new Map<number, BpfMapData>(),
  ttyInfos: new Map<number, tty_info_entry>(),
  ttyEnds: new Map<number, TtyEnds>(),
  externals: options.externals ?? [],
  hasBothEnds,
  unix,
  outsidePeers: new Map<number, number>(),
  extension: [] as stasis_file_entry[],
  losses: [] as string[],
  clock: options.clock,
  inetSockets,
  packetSockets,
  groups: groupsOnce(),
  tcpClose: options.tcpClose,
  connections,
})

/** Entries of open files, and who has them. */
interface CollectedFiles {
  readonly fdinfos: ReadonlyMap<number, readonly fdinfo_entry[]>
  readonly locks: readonly file_lock_entry[]
  /** File ids of what is in flight, by our descriptors of it. */
  readonly flying: ReadonlyMap<number, number>
  /** File ids of unix sockets, by inode. */
  readonly socketIds: ReadonlyMap<number, number>
}

/** Has every open file collected by its row. @param scope keeps the way to files in flight open */
export function collectFiles(
  insiders: readonly Insider[],
  { judged, scans, flight, unix }: JudgedFiles,
  tables: ReturnType<typeof emptyTables>,
  scope: DisposableStack,
): CollectedFiles {
  const fdinfos = new Map(insiders.map(({ pid }): [number, fdinfo_entry[]] => [pid, []]))
  const locks: file_lock_entry[] = []
  const flying = new Map<number, number>()
  const socketIds = new Map<number, number>()
  const ours = flight.found.length > 0 ? scope.use(borrowDescriptors(process.pid)) : undefined
  const collectedBy = new Map<number, Collecting>()
  // CRIU finds a peer only among the sockets that it has read before.
  const { first = [], last = [] } = Object.groupBy(judged, ({ by }) => (hasPeer(by, unix) ? "last" : "first"))
  for (const { shared, by } of [...first, ...last]) {
    const row = rowOf(by)
    const copies = by.pid === process.pid ? ours : scans.get(by.pid)?.copies
    if (!row || !copies) throw new Error(`Unreachable: fd ${by.fd} was not refused and has no row`)
    const id = tables.table.nextId()
    const collecting = collectedBy.getOrInsertComputed(by.pid, () => ({ ...tables, copies }))
    tables.table.add(row.collect({ ...by, id }, collecting))
    locks.push(...collectFileLocks(shared))
    if (isUnix(by)) socketIds.set(inodeOf(by), id)
    for (const { pid, fd, cloexec } of shared) {
      if (pid === process.pid) flying.set(fd, id)
      fdinfos.get(pid)?.push({ id, flags: cloexec ? 1 : 0, type: row.type, fd })
    }
  }
  for (const [pid, entries] of fdinfos) {
    sortByNumber(entries, ({ fd }) => fd)
    log.debug(`${entries.length} descriptors of task ${pid}`)
  }
  return { fdinfos, locks, flying, socketIds }
}
