import { IPPROTO, SO, SOL_SOCKET, TCP, TCP_REPAIR, TCP_STATE } from "../../ffi/abi/socket.ts"
import { readFileSync } from "../../ffi/fs.ts"
import { attempt } from "../../ffi/syscall.ts"
import type { file_entry } from "../../proto/gen/fdinfo_pb.ts"
import type { inventory_entry } from "../../proto/gen/inventory_pb.ts"
import { CheckpointError, refusedTarget } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import type { ImageSet } from "../image/set.ts"
import { tellOption } from "../kinds/files/socket/ask.ts"
import {
  type Connections,
  lockConnections,
  openConnections,
  RUN_ID_ROOM,
  removeStayingTable,
} from "../kinds/files/socket/inet/connections.ts"
import { closeDoors, type Doors } from "../kinds/files/socket/inet/doors.ts"
import { inetText, isConnection } from "../kinds/files/socket/inet/entry.ts"
import { endsOf } from "../kinds/files/socket/inet/restore-stream.ts"
import type { Stream } from "../kinds/files/socket/inet/stream.ts"
import { notAccepted } from "../kinds/files/socket/inet/survey.ts"
import { askTcp } from "../kinds/files/socket/inet/tcp-info.ts"
import { socketInode } from "../kinds/files/socket/unix/scene.ts"
import { readDescriptorsIfAlive } from "../proc/descriptors.ts"
import { checkInterrupt, deadlineIn } from "../tracee/wait.ts"
import { type FileTree, lendFiles } from "./lend-files.ts"
import type { DumpOptions, RestoreOptions } from "./options.ts"

const log = logger("connections")
/** CRIU's numbers of its ways to hold packets off. Authority: REFERENCE 1.6 */
const LOCK_METHOD = { iptables: 0, nftables: 1, skip: 2 } as const
/** Seconds that the kernel may take to bring a connection into its state. */
const PATIENCE = 5

/** The begin of a random UUID, which the kernel makes faster than node:crypto is loaded. Man page: random(4) */
const newRunId = (): string => readFileSync("/proc/sys/kernel/random/uuid", "latin1").slice(0, RUN_ID_ROOM)

/** What a dump does with TCP connections, and what its inventory says of them. */
export interface DumpedConnections extends Disposable {
  readonly connections: Connections | undefined
  readonly runId: string
  readonly network: () => Partial<inventory_entry>
}

/** @param touching false for a rehearsal, in which every connection is left alone */
export function dumpConnections(
  { tcpEstablished, tcpClose, networkLock, leaveRunning, leaveStopped }: DumpOptions,
  touching: boolean,
): DumpedConnections {
  const connections = touching && tcpEstablished && !tcpClose ? openConnections(networkLock === "nftables") : undefined
  return {
    connections,
    runId: newRunId(),
    network: () => {
      if (tcpClose) return { tcp_close: true }
      const stays = !leaveRunning && !leaveStopped && networkLock === "nftables" && connections?.isAnswered() === true
      return { network_lock_method: stays ? LOCK_METHOD.nftables : LOCK_METHOD.skip }
    },
    [Symbol.dispose]: () => connections?.[Symbol.dispose](),
  }
}

/** True when a dump holds new connections off until those that came before are accepted. */
export const closesDoors = ({
  tcpEstablished,
  tcpClose,
  networkLock,
  skipInFlight,
}: Pick<DumpOptions, "tcpEstablished" | "tcpClose" | "networkLock" | "skipInFlight">): boolean =>
  tcpEstablished && !tcpClose && !skipInFlight && networkLock === "nftables"

/**
 * Holds new connections to a running tree off, until it is frozen, saved, and goes on or is dead.
 *
 * @throws CheckpointError E_UNSUPPORTED the tree does not accept those that came before
 */
export function holdNewConnections(options: DumpOptions, pids: Iterable<number>): Doors | undefined {
  if (!closesDoors(options)) return undefined
  const sockets = new Map<bigint, { readonly pid: number; readonly fd: number; readonly target: string }>()
  for (const pid of pids)
    for (const { fd, target } of readDescriptorsIfAlive(pid) ?? []) {
      const inode = socketInode(target)
      if (inode !== undefined) sockets.set(inode, { pid, fd, target })
    }
  const doors = sockets.size > 0 ? closeDoors(new Set(sockets.keys())) : undefined
  if (!doors || doors.crowded.length === 0) return doors
  doors[Symbol.dispose]()
  const refusals = doors.crowded.flatMap(({ inode, waiting }) => {
    const { pid, fd, target } = sockets.get(inode) ?? { pid: options.pid, fd: -1, target: "" }
    return { where: `task ${pid} fd ${fd}`, ...notAccepted(waiting, target) }
  })
  throw refusedTarget(options.pid, refusals)
}

/** Connections whose state is more than that they are closed. */
const hasStream = ({ isk }: file_entry): boolean => isk !== undefined && isConnection(isk) && isk.state !== TCP_STATE.CLOSE

/** Streams of all connections, by the inode numbers of their sockets. @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT */
export function readStreams(set: ImageSet, files: readonly file_entry[]): Map<number, Stream> {
  const streams = new Map<number, Stream>()
  for (const { isk } of files.filter(hasStream)) {
    const inode = isk?.ino ?? 0
    set.one("tcp-stream", inode)
    for (const { message, payload } of set.withPayloads("tcp-stream", inode)) {
      const { unsq_len, outq_len, opt_mask, rcv_wscale, timestamp } = message
      const lacks =
        unsq_len === undefined || unsq_len > outq_len
          ? "unsq_len"
          : opt_mask & 4 && rcv_wscale === undefined
            ? "rcv_wscale"
            : opt_mask & 1 && timestamp === undefined
              ? "timestamp"
              : undefined
      if (lacks !== undefined)
        throw new CheckpointError(
          "E_IMAGE_CORRUPT",
          `Cannot restore socket ${isk?.id}`,
          `tcp-stream-${inode.toString(16)}.img has no ${lacks} that fits`,
          "Dump the program again: this image was damaged or changed",
        )
      streams.set(inode, { message, payload })
    }
  }
  return streams
}

const connectionsOf = ({ root }: FileTree) =>
  [...root.files.files.values()].filter(hasStream).flatMap(({ isk }) => (isk && root.files.tcpStreams.has(isk.ino) ? [isk] : []))

/** TCP connections of a restore: held off until they are let go. */
export interface RestoredConnections extends Disposable {
  /**
   * Lets packets pass, takes away the table that the dump left, and brings every connection out of repair mode, which tells its peer.
   *
   * Precondition: every socket stands at its number in a process that is stopped.
   */
  release(): void
}

/** @throws CheckpointError E_KERNEL there is no nf_tables */
export function holdConnections(set: ImageSet, saved: FileTree, { networkLock }: Pick<RestoreOptions, "networkLock">): RestoredConnections {
  const all = connectionsOf(saved)
  const method = set.inventory.network_lock_method ?? LOCK_METHOD.iptables
  if (all.length > 0 && method === LOCK_METHOD.iptables)
    log.warn("CRIU held the connections off with iptables: remove its rules, or dump with --network-lock nftables")
  using scope = new DisposableStack()
  if (all.length > 0 && networkLock === "nftables") scope.use(lockConnections(all.map(endsOf)))
  const lock = scope.move()
  const runId = set.inventory.dump_criu_run_id
  return {
    release() {
      lock.dispose()
      if (all.length === 0) return
      if (method === LOCK_METHOD.nftables && runId) removeStayingTable(runId)
      const entries = new Map(all.map((entry) => [entry.id, entry]))
      // Each once: when it is let go its peer may change its state.
      lendFiles(saved, entries.keys(), (id, copy) => {
        const entry = entries.get(id)
        if (!entry) return
        awaitState(copy, entry)
        tellOption(copy, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.OFF)
        tellOption(copy, SOL_SOCKET, SO.REUSEADDR, entry.opts.reuseaddr ? 1 : 0)
      })
    },
    [Symbol.dispose]: () => lock.dispose(),
  }
}

/** Segments that were made for a connection pass through the kernel like any other. @throws CheckpointError E_RESTORE */
function awaitState(copy: number, entry: Parameters<typeof inetText>[0]): void {
  const deadline = deadlineIn(PATIENCE)
  for (let { state } = askTcp(copy); state !== entry.state; { state } = askTcp(copy)) {
    if (performance.now() > deadline.at)
      throw new CheckpointError(
        "E_RESTORE",
        `Cannot restore ${inetText(entry)}`,
        `it came into state ${state} instead of ${entry.state}`,
        "Look for rules of the firewall that drop its packets, or use --tcp-close",
      )
    checkInterrupt("the restore of connections")
    attempt("poll", 0, 0, 1)
  }
}
