import { TCP_STATE, TCPI_OPT } from "../../ffi/abi/socket.ts"
import { existsSync, readFileSync } from "../../ffi/fs.ts"
import type { file_entry } from "../../proto/gen/fdinfo_pb.ts"
import type { inventory_entry } from "../../proto/gen/inventory_pb.ts"
import { LOCK_METHOD } from "../../proto/values.ts"
import { damagedImage, refusedTarget } from "../base/errors.ts"
import type { ImageSet } from "../image/set.ts"
import { type Connections, openConnections, RUN_ID_ROOM } from "../kinds/files/socket/inet/connections.ts"
import { isConnection } from "../kinds/files/socket/inet/entry.ts"
import { type HeldListeners, holdListeners } from "../kinds/files/socket/inet/listeners.ts"
import type { Owner, Stream } from "../kinds/files/socket/inet/stream.ts"
import { notAccepted } from "../kinds/files/socket/inet/survey.ts"
import { socketInode } from "../kinds/files/socket/unix/scene.ts"
import { readDescriptorsIfAlive } from "../proc/descriptors.ts"
import type { DumpOptions } from "./options.ts"

const UUID = "/proc/sys/kernel/random/uuid"
/**
 * The begin of a random UUID, which the kernel makes faster than cryptography is loaded; not every container's /proc has it. Man page:
 * random(4)
 */
const newRunId = (): string => (existsSync(UUID) ? readFileSync(UUID, "latin1") : crypto.randomUUID()).slice(0, RUN_ID_ROOM)

/** What a dump does with TCP connections, and what its inventory says of them. */
export interface DumpedConnections extends Disposable {
  readonly connections: Connections | undefined
  readonly runId: string
  readonly network: () => Partial<inventory_entry>
}

/** @param owner undefined for a rehearsal, in which every connection is left alone */
export function openDumpConnections(
  { tcpEstablished, tcpClose, networkLock, leaveRunning, leaveStopped }: DumpOptions,
  owner: Owner | undefined,
): DumpedConnections {
  const connections = owner && tcpEstablished && !tcpClose ? openConnections(networkLock === "nftables", owner) : undefined
  return {
    connections,
    runId: newRunId(),
    network: () => {
      if (tcpClose) return { tcp_close: true }
      const stays = !leaveRunning && !leaveStopped && networkLock === "nftables" && connections?.isAnswered() === true
      return { network_lock_method: stays ? LOCK_METHOD.NFTABLES : LOCK_METHOD.SKIP }
    },
    [Symbol.dispose]: () => connections?.[Symbol.dispose](),
  }
}

/** True when a dump waits until those are accepted who waited for it before it began. */
export const holdsListeners = ({
  tcpEstablished,
  tcpClose,
  networkLock,
  skipInFlight,
}: Pick<DumpOptions, "tcpEstablished" | "tcpClose" | "networkLock" | "skipInFlight">): boolean =>
  tcpEstablished && !tcpClose && !skipInFlight && networkLock === "nftables"

/**
 * True when a dump would lose clients that connect while it lasts: one that keeps connections keeps none of theirs, and one that kills the
 * tree ends them.
 */
const losesKnocks = ({ tcpEstablished, tcpClose, networkLock, skipInFlight, leaveRunning, leaveStopped }: DumpOptions): boolean =>
  (tcpEstablished || !(leaveRunning || leaveStopped)) && !tcpClose && !skipInFlight && networkLock === "nftables"

/**
 * Holds new connections to a running tree off, until it is frozen, saved, and goes on or is dead.
 *
 * @throws CheckpointError E_UNSUPPORTED the tree does not accept those that came before
 */
export function holdNewConnections(options: DumpOptions, pids: Iterable<number>): HeldListeners | undefined {
  if (!losesKnocks(options)) return undefined
  const sockets = new Map<bigint, { readonly pid: number; readonly fd: number; readonly target: string }>()
  for (const pid of pids)
    for (const { fd, target } of readDescriptorsIfAlive(pid) ?? []) {
      const inode = socketInode(target)
      if (inode !== undefined) sockets.set(inode, { pid, fd, target })
    }
  const listeners = sockets.size > 0 ? holdListeners(new Set(sockets.keys())) : undefined
  if (!listeners || listeners.crowded.length === 0) return listeners
  listeners[Symbol.dispose]()
  const refusals = listeners.crowded.flatMap(({ inode, waiting }) => {
    const { pid, fd, target } = sockets.get(inode) ?? { pid: options.pid, fd: -1, target: "" }
    return { where: `task ${pid} fd ${fd}`, ...notAccepted(waiting, target) }
  })
  throw refusedTarget(options.pid, refusals)
}

/** Connections whose state is more than that they are closed. */
export const hasStream = ({ isk }: file_entry): boolean => isk !== undefined && isConnection(isk) && isk.state !== TCP_STATE.CLOSE

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
          : opt_mask & TCPI_OPT.WSCALE && rcv_wscale === undefined
            ? "rcv_wscale"
            : opt_mask & TCPI_OPT.TIMESTAMPS && timestamp === undefined
              ? "timestamp"
              : undefined
      if (lacks !== undefined)
        throw damagedImage(`Cannot restore socket ${isk?.id}`, `tcp-stream-${inode.toString(16)}.img has no ${lacks} that fits`)
      streams.set(inode, { message, payload })
    }
  }
  return streams
}
