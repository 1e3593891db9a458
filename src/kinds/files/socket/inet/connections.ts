import { F } from "../../../../../ffi/abi/file.ts"
import { IPPROTO, SO, SOL_SOCKET, TCP, TCP_REPAIR } from "../../../../../ffi/abi/socket.ts"
import { attempt, SyscallError, syscall } from "../../../../../ffi/syscall.ts"
import type { tcp_stream_entry } from "../../../../../proto/gen/tcp-stream_pb.ts"
import { errnoOf } from "../../../../base/errno.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import { type GuardCall, standGuard } from "../../../../tracee/guard.ts"
import { roomForDescriptors } from "../../../../tracee/own-limit.ts"
import { askAddress, askNumber, tellOption } from "../ask.ts"
import { type Netlink, openNetlink } from "../netlink.ts"
import { addressText, parseAddress } from "./address.ts"
import { type Owner, readStream, type Stream } from "./stream.ts"
import { type Ends, holdOff, NETFILTER, removing } from "./table.ts"

/** First bytes of an IPv4 address that is written as one of IPv6. */
const MAPPED = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])

/** An address as packets have it. */
export const plainAddress = (bytes: Uint8Array): Uint8Array =>
  bytes.length === 16 && MAPPED.equals(bytes.subarray(0, MAPPED.length)) ? bytes.subarray(MAPPED.length) : bytes

/** Name of the table that stays between a dump and the restore: CRIU's, so that each tool takes away the other's. */
const stayingTable = (runId: string): string => `CRIU-${runId}`

const keyOf = ({ source, sourcePort, target, targetPort }: Ends): string => `${source}:${sourcePort} ${target}:${targetPort}`
const turned = ({ source, sourcePort, target, targetPort }: Ends): Ends => ({
  source: target,
  sourcePort: targetPort,
  target: source,
  targetPort: sourcePort,
})

/** Connections whose other end is not among them. */
export function outwards(all: readonly Ends[]): Ends[] {
  const known = new Set(all.map(keyOf))
  return all.filter((one) => !known.has(keyOf(turned(one))))
}

/** Where the queues of a connection stand. */
type Queues = Pick<tcp_stream_entry, "inq_seq" | "outq_seq" | "outq_len">

/**
 * What one end of a connection holds for delivered and the other, which stands beside it, has not got: a dump that holds no packets off
 * reads one end before a segment comes and the other after it was acknowledged. The connection would wait for those bytes for ever.
 *
 * @returns a phrase for each end that lost some. Kernel: net/ipv4/tcp_input.c tcp_ack()
 */
export function lostOnTheWay(all: readonly { readonly ends: Ends; readonly queues: Queues }[]): string[] {
  const queuesOf = new Map(all.map(({ ends, queues }) => [keyOf(ends), queues]))
  return all.flatMap(({ ends, queues: { outq_seq, outq_len } }) => {
    const other = queuesOf.get(keyOf(turned(ends)))
    // Numbers of 32 bits that wrap, in which a FIN counts as one byte.
    const bytes = other ? (outq_seq - outq_len - other.inq_seq) | 0 : 0
    if (bytes <= 1) return []
    const { source, sourcePort, target, targetPort } = ends
    const way = `from ${addressText(source, sourcePort)} to ${addressText(target, targetPort)}`
    return [
      `${bytes} bytes on their way ${way}: nothing held packets off (--network-lock skip), and the connection waits for them for ever`,
    ]
  })
}

/** Tables of nf_tables that hold connections off. */
export interface Tables extends Disposable {
  /** Removes those that are there. @throws SyscallError */
  remove(): void
  /** What a guard does in the place of `remove`, and the socket that it does it by. */
  readonly removal: readonly GuardCall[]
  readonly fd: number
}

function tablesOf(netlink: Netlink, names: readonly string[]): Tables {
  const packets = names.map(removing)
  return {
    remove() {
      for (const { packet, last } of packets)
        try {
          netlink.ask(packet, last)
        } catch (error) {
          if (!(error instanceof SyscallError && error.errno === "ENOENT")) throw error
        }
    },
    removal: packets.map(({ packet }) => ({ call: "write", args: [netlink.fd, packet, packet.length] })),
    fd: netlink.fd,
    [Symbol.dispose]: () => netlink[Symbol.dispose](),
  }
}

/**
 * Holds connections off with a table that is gone with us, or with the last copy of its socket.
 *
 * @throws CheckpointError E_KERNEL there is no nf_tables · E_PERMISSION
 */
export function lockConnections(connections: readonly Ends[]): Tables {
  const name = `stasis-${process.pid}`
  let netlink: Netlink | undefined
  try {
    netlink = openNetlink(NETFILTER)
    holdOff(netlink, name, true, connections)
    return tablesOf(netlink, [name])
  } catch (error) {
    netlink?.[Symbol.dispose]()
    if (errnoOf(error) === "EPERM")
      throw new CheckpointError(
        "E_PERMISSION",
        "Cannot hold TCP connections off",
        "nf_tables, and TCP's repair mode, want CAP_NET_ADMIN",
        "Run stasis as root or with CAP_NET_ADMIN, or give --tcp-close to have connections closed",
        error,
      )
    throw new CheckpointError(
      "E_KERNEL",
      "Cannot hold TCP connections off",
      "nf_tables refused the table",
      "Use Linux 5.12 or later with nf_tables, or --network-lock skip when no peer sends anything meanwhile",
      error,
    )
  }
}

/** Characters of a run's id that CRIU 4.1.1 has room for in the name of its table; ours have no more. */
export const RUN_ID_ROOM = 21

/** The table that a dump left, if it is there. @param runId of the dump; CRIU cuts it */
export const stayingTables = (runId: string): Tables =>
  tablesOf(openNetlink(NETFILTER), [...new Set([runId, runId.slice(0, RUN_ID_ROOM)])].map(stayingTable))

/** The TCP connections of a frozen tree. Disposal lets packets pass again. */
export interface Connections extends Disposable {
  /** Keeps a copy of a connection. */
  keep(inode: number, copy: number): void
  /** Holds off all that are kept. @throws CheckpointError E_KERNEL */
  lock(): void
  /** Reads one that is kept, once. */
  read(inode: number): void
  readonly streams: ReadonlyMap<number, Stream>
  /** See `lostOnTheWay`. Precondition: all are read. */
  lost(): string[]
  /** Whether somebody could answer while the tree is away, or CRIU would, which sends at once what was not sent yet. */
  isAnswered(): boolean
  /**
   * Makes the sockets die in silence, and their peers find nobody but a table that drops what they send, until a restore removes it.
   *
   * Precondition: the tree is killed at once.
   */
  abandon(runId: string): void
}

/** A guard's setting of an option whose value is an int. */
export function optionCall(fd: number, level: number, name: number, value: number): GuardCall {
  const bytes = new Uint8Array(Int32Array.of(value).buffer)
  return { call: "setsockopt", args: [fd, level, name, bytes, bytes.length] }
}

/** What takes a connection out of repair mode if the tool dies in it: it would be silent for good. Mirror: repairing of ./stream.ts */
function leavingRepair(fd: number): GuardCall[] {
  const offset = askNumber(fd, SOL_SOCKET, SO.PEEK_OFF) ?? -1
  return [
    optionCall(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP),
    ...(askNumber(fd, SOL_SOCKET, SO.REUSEADDR) ? [optionCall(fd, SOL_SOCKET, SO.REUSEADDR, 1)] : []),
    ...(offset >= 0 ? [optionCall(fd, SOL_SOCKET, SO.PEEK_OFF, offset)] : []),
  ]
}

/** @param locking false for connections that are held off already, or are not to be */
export function openConnections(locking: boolean, owner: Owner): Connections {
  const scope = new DisposableStack()
  const kept = new Map<number, { readonly fd: number; readonly ends: Ends }>()
  const streams = new Map<number, Stream>()
  const answered = (): Ends[] => [
    ...outwards(ends()),
    ...[...kept].flatMap(([inode, one]) => (streams.get(inode)?.message.unsq_len ? [one.ends] : [])),
  ]
  const ends = (): Ends[] => [...kept.values()].map((one) => one.ends)
  return {
    streams,
    keep(inode, copy) {
      scope.use(roomForDescriptors(kept.size + 1))
      const fd = scope.adopt(syscall("fcntl", copy, F.DUPFD_CLOEXEC, 0), (number) => void attempt("close", number))
      const [local, remote] = (["getsockname", "getpeername"] as const).map((call) =>
        parseAddress(askAddress(fd, call) ?? new Uint8Array(16)),
      )
      if (!local || !remote) throw new Error("Unreachable: two addresses")
      const source = plainAddress(local.bytes)
      kept.set(inode, { fd, ends: { source, sourcePort: local.port, target: plainAddress(remote.bytes), targetPort: remote.port } })
    },
    lock() {
      if (kept.size === 0) return
      if (locking) scope.use(lockConnections(ends()))
      // What would bring a restored one out of repair mode would make its death heard.
      if (owner === "restored") return
      const fds = [...kept.values()].map(({ fd }) => fd)
      const guard = scope.use(standGuard(fds.flatMap(leavingRepair), fds))
      scope.defer(() => guard.dismiss())
    },
    read(inode) {
      const one = kept.get(inode)
      if (one) streams.set(inode, readStream(one.fd, owner))
    },
    lost: () =>
      lostOnTheWay(
        [...kept].flatMap(([inode, one]) => (streams.has(inode) ? [{ ends: one.ends, queues: streams.get(inode)!.message }] : [])),
      ),
    isAnswered: () => answered().length > 0,
    abandon(runId) {
      const left = answered()
      if (locking && left.length > 0) {
        using netlink = openNetlink(NETFILTER)
        holdOff(netlink, stayingTable(runId), false, left)
      }
      for (const { fd } of kept.values()) tellOption(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.ON)
    },
    [Symbol.dispose]: () => scope.dispose(),
  }
}
