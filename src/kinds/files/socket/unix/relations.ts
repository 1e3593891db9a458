import { SOCK, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { file_entry } from "../../../../../proto/gen/fdinfo_pb.ts"
import type { unix_sk_entry } from "../../../../../proto/gen/sk-unix_pb.ts"
import type { Linked } from "../../restoring.ts"

type Files = ReadonlyMap<number, file_entry>

interface Index {
  readonly byInode: ReadonlyMap<number, unix_sk_entry>
  readonly listeners: ReadonlyMap<string, unix_sk_entry>
  /** How many have a name. */
  readonly named: ReadonlyMap<string, number>
}

const indexes = new WeakMap<Files, Index>()
const nameKey = ({ type, name }: unix_sk_entry): string => `${type} ${Buffer.from(name).toString("latin1")}`

function indexOf(files: Files): Index {
  const known = indexes.get(files)
  if (known) return known
  const sockets = [...files.values()].flatMap(({ usk }) => usk ?? [])
  const named = new Map<string, number>()
  for (const socket of sockets) named.set(nameKey(socket), (named.get(nameKey(socket)) ?? 0) + 1)
  const index = {
    named,
    byInode: new Map(sockets.map((socket) => [socket.ino, socket])),
    listeners: new Map(
      sockets
        .filter(({ state, uflags }) => state === TCP_STATE.LISTEN && !(uflags & UFLAGS.EXTERN))
        .map((socket) => [nameKey(socket), socket]),
    ),
  }
  indexes.set(files, index)
  return index
}

/** What uflags say. Authority: REFERENCE 5.6 */
export const UFLAGS = { EXTERN: 1, CALLBACK: 4 } as const

/** How a socket stands to the others of its images: each is made in its own way. */
type Relation =
  /** Not connected: bound or not, a listener too. */
  | { readonly kind: "single" }
  /** Two that are each other's peers. `listener`: it has accepted one of them, `accepted`, and that one has its name. */
  | { readonly kind: "pair"; readonly peer: unix_sk_entry; readonly listener?: unix_sk_entry; readonly accepted?: unix_sk_entry }
  /** Connected to one that has gone. */
  | { readonly kind: "lonely" }
  /** Connected to a listener that has not accepted it. */
  | { readonly kind: "pending"; readonly listener: unix_sk_entry }
  /** Sends to one that is not connected to it: datagrams alone. */
  | { readonly kind: "sender"; readonly peer: unix_sk_entry }
  /** Connected to a name outside the tree. */
  | { readonly kind: "outside"; readonly outside: unix_sk_entry }
  /** Its peer is not in the images. */
  | { readonly kind: "dangling" }

const isConnection = ({ type }: unix_sk_entry): boolean => type !== SOCK.DGRAM

/** How a socket stands to the others. */
export function relationOf(socket: unix_sk_entry, files: Files): Relation {
  const { byInode, listeners } = indexOf(files)
  if (socket.peer === 0) {
    // A bound datagram socket looks connected as soon as one is connected to it. Kernel: net/unix/af_unix.c unix_dgram_connect()
    const lonely = socket.state === TCP_STATE.ESTABLISHED && (isConnection(socket) || socket.name.length === 0)
    return { kind: lonely ? "lonely" : "single" }
  }
  const peer = byInode.get(socket.peer)
  if (!peer) return { kind: "dangling" }
  if (peer.uflags & UFLAGS.EXTERN) return { kind: "outside", outside: peer }
  if (peer.state === TCP_STATE.LISTEN) return { kind: "pending", listener: peer }
  if (peer.peer !== socket.ino) return { kind: "sender", peer }
  const accepted = isConnection(socket) ? [socket, peer].find((end) => end.name.length > 0 && listeners.has(nameKey(end))) : undefined
  const listener = accepted && listeners.get(nameKey(accepted))
  return listener ? { kind: "pair", peer, listener, accepted } : { kind: "pair", peer }
}

/** True for one that stands at its name: others are found by it, and it must be bound again. An accepted one only has its listener's. */
export function isBound(socket: unix_sk_entry, files: Files): boolean {
  if (socket.name.length === 0) return false
  if (!isConnection(socket) || socket.state !== TCP_STATE.ESTABLISHED) return true
  const relation = relationOf(socket, files)
  // What has a name of its own and was accepted by nobody here may have been accepted by a listener that has gone.
  return (
    relation.kind === "pending" ||
    relation.kind === "outside" ||
    (relation.kind === "pair" && relation.accepted !== undefined && relation.accepted !== socket)
  )
}

/** Kernel: net/unix/af_unix.c unix_autobind() */
const AUTOMATIC = /^\0[0-9a-f]{5}$/

/**
 * True for one that has an automatic name, got with SO_PASSCRED when it sent its first packet, by which nobody finds it. An accepted one
 * has its listener's, as others do that the same one accepted.
 */
export function hasAutomaticName(socket: unix_sk_entry, files: Files): boolean {
  if (isBound(socket, files) || !AUTOMATIC.test(Buffer.from(socket.name).toString("latin1"))) return false
  return indexOf(files).named.get(nameKey(socket)) === 1
}

/** Files that must be made by the program that makes a socket: its peer, its listener, and what travels in its queue. */
export function linksOfUnix(socket: unix_sk_entry, { files, skQueues }: Linked): number[] {
  const relation = relationOf(socket, files)
  const others = "peer" in relation ? [relation.peer.id] : []
  const listeners = "listener" in relation && relation.listener ? [relation.listener.id] : []
  const rights = (skQueues.get(socket.id) ?? []).flatMap(({ message }) => message.scm.flatMap((scm) => scm.rights))
  return [...others, ...listeners, ...rights]
}
