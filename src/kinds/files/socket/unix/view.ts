import type { Refusal } from "../../../../base/errors.ts"
import type { Packet } from "./queue.ts"
import type { UnixSocket } from "./sockets.ts"

/** What was found in the queues of a stopped tree. */
export interface Queues {
  /** By inode of the receiving socket. */
  readonly packets: ReadonlyMap<number, readonly Packet[]>
  /** Sockets whose queues cannot be looked at, by inode, and why. */
  readonly unreadable: ReadonlyMap<number, Pick<Refusal, "what" | "remedy">>
}

/** Peers outside the dump that are no reason to refuse it. */
export interface AllowedPeers {
  /** Datagram sockets may send to names outside: CRIU's --ext-unix-sk. */
  readonly extUnixSk?: boolean
  /** Sockets of the dump, by inode, that may be connected to anything outside: CRIU's --external unix[INODE]. */
  readonly externalUnix?: readonly number[] | "all"
}

/** The unix sockets of the machine, as one pass has found them. */
export interface UnixScene {
  readonly sockets: ReadonlyMap<number, UnixSocket>
  /** Inodes of those that the dump has. */
  readonly inside: ReadonlySet<number>
  /** The listener that has not accepted the client with this inode yet. */
  listenerOf(client: number): UnixSocket | undefined
  /** Inode of another socket of the dump that is to be bound to this path; undefined when this one alone is. */
  namesake(path: string, ino: number): number | undefined
  /** Task outside the dump that has a socket open, if one was looked for and found. */
  holder(inode: number): number | undefined
  readonly allowed: AllowedPeers
  /** Undefined while the tree runs: what is in flight is not known then. */
  readonly queues: Queues | undefined
}
