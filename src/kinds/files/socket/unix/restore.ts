import { AF, SO, SOCK, SOL_SOCKET, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { unix_sk_entry } from "../../../../../proto/gen/sk-unix_pb.ts"
import type { Argument } from "../../../../tracee/program.ts"
import type { Opened, Restoring } from "../../restoring.ts"
import { restoreBeyond } from "../beyond.ts"
import { restoreBuffers, restoreSocketOptions, setOption } from "../options.ts"
import { addressOf, bindIfFree, bindSocket, connectSocket, socketName, unlinkSocket } from "./bind.ts"
import { asPeer, sendersOf } from "./credentials.ts"
import { hasAutomaticName, isBound, relationOf } from "./relations.ts"
import { sendQueue } from "./send.ts"

type Making = Pick<
  Restoring,
  "program" | "files" | "users" | "inherited" | "given" | "skQueues" | "sockets" | "extension" | "later" | "self" | "isBorn"
>
type Finishing = Pick<Restoring, "program" | "files" | "users" | "inherited" | "skQueues" | "extension" | "self" | "isBorn">

/** Number at which a program has a file. */
function numberIn({ users, inherited }: Pick<Restoring, "users" | "inherited">, id: number): number {
  const number = inherited.get(id) ?? users.get(id)?.[0]?.fd
  if (number === undefined) throw new Error(`Unreachable: file ${id} is not made where it is needed`)
  return number
}

function newSocket(socket: unix_sk_entry, making: Making): Opened {
  const { program, files, sockets } = making
  const fd = program.callWith({ about: socketName(socket) }, "socket", AF.UNIX, socket.type, 0)
  sockets.set(socket.id, fd)
  if (isBound(socket, files)) bindSocket(socket, fd, program)
  return fd
}

/** A pair whose both ends were made by whoever is the peer of this one. */
function newPair({ id, type }: unix_sk_entry, about: string, making: Making): readonly [Opened, Opened] {
  const { program } = making
  const room = program.room(8)
  asPeer(id, making, () => void program.callWith({ about }, "socketpair", AF.UNIX, type, 0, room))
  return [program.loadU32(room, 0), program.loadU32(room, 4)]
}

/** Names one that was connected as it was made. */
function nameEnd(socket: unix_sk_entry, fd: Opened, { program, files }: Making): void {
  if (isBound(socket, files)) bindSocket(socket, fd, program)
  else if (hasAutomaticName(socket, files)) bindIfFree(socket, fd, program)
}

function makePair(socket: unix_sk_entry, peer: unix_sk_entry, making: Making): void {
  const ends = newPair(socket, socketName(socket), making)
  for (const [index, end] of [socket, peer].entries()) {
    const fd = ends[index] as Opened
    making.sockets.set(end.id, fd)
    nameEnd(end, fd, making)
  }
}

/** A connection by way of its listener: so both ends have the names that they had. */
function makeConnection(client: unix_sk_entry, accepted: unix_sk_entry, listener: unix_sk_entry, making: Making): void {
  const { program, sockets } = making
  const about = socketName(accepted)
  const fd = newSocket(client, making)
  asPeer(accepted.id, making, () => connectSocket(fd, listener, program))
  const from = sockets.get(listener.id)
  if (!from) throw new Error(`Unreachable: the listener of ${about} is not made with it`)
  sockets.set(accepted.id, program.callWith({ about }, "accept4", from, 0, 0, 0))
}

/** A connection whose other end has gone: that end fills the queue and goes again. */
function makeLonely(socket: unix_sk_entry, making: Making): void {
  const { program, skQueues, sockets, extension, later } = making
  const about = socketName(socket)
  const [own, other] = newPair(socket, about, making)
  sockets.set(socket.id, own)
  nameEnd(socket, own, making)
  const queue = skQueues.get(socket.id) ?? []
  later(() => {
    sendQueue(program, other, queue, { senders: sendersOf(socket.id, making), numberOf: (id) => numberIn(making, id), about })
    // Something unread in an end that goes is what makes the error.
    if (extension.get(socket.id)?.socket_reset)
      program.callWith({ about, returns: 1 }, "write", numberIn(making, socket.id), program.bytes(new Uint8Array(1)), 1)
    program.call("close", other)
  })
}

/** Appends every socket of the program, in an order in which each finds those that it needs. */
function makeSockets(making: Making): void {
  const { program, files, users, inherited, given, sockets, extension } = making
  const own = [...users.keys()].flatMap((id) => (inherited.has(id) || given.has(id) ? [] : (files.get(id)?.usk ?? [])))
  const related = own.map((socket) => ({ socket, relation: relationOf(socket, files) }))
  for (const { socket, relation } of related) {
    if (relation.kind === "lonely") makeLonely(socket, making)
    if (relation.kind !== "single" && relation.kind !== "sender") continue
    const fd = newSocket(socket, making)
    if (socket.state === TCP_STATE.LISTEN)
      asPeer(socket.id, making, () => void program.callWith({ about: socketName(socket) }, "listen", fd, socket.backlog))
  }
  for (const { socket, relation } of related) {
    if (relation.kind !== "pair" || sockets.has(socket.id)) continue
    const { peer, listener, accepted } = relation
    if (listener && accepted) makeConnection(accepted === socket ? peer : socket, accepted, listener, making)
    else makePair(socket, peer, making)
  }
  const placeOf = ({ id }: unix_sk_entry): number => extension.get(id)?.socket_pending ?? 0
  const waiting = related.flatMap(({ socket, relation }) => (relation.kind === "pending" ? [{ socket, ...relation }] : []))
  for (const { socket, listener } of waiting.sort((a, b) => placeOf(a.socket) - placeOf(b.socket)))
    connectSocket(newSocket(socket, making), listener, program)
  for (const { socket, relation } of related) {
    if (relation.kind === "outside") connectSocket(newSocket(socket, making), relation.outside, program)
    if (relation.kind === "sender") connectSocket(sockets.get(socket.id) as Opened, relation.peer, program)
  }
}

/**
 * An entry -> an open unix socket appended to the program. Mirror: ./collect.ts
 *
 * The first one that comes makes all sockets of the program; queues, options and what was shut down: `finishUnix`.
 */
export function restoreUnix(entry: unix_sk_entry, making: Making): Opened {
  if (!making.sockets.has(entry.id)) makeSockets(making)
  const made = making.sockets.get(entry.id)
  if (!made) throw new Error(`Unreachable: ${socketName(entry)} was not checked`)
  return made
}

/**
 * Appends what a socket has got when its queue is full: halves that are shut down, options, and no file, or one elsewhere, if it was so.
 */
function settle(socket: unix_sk_entry, fd: Argument, { program, files, extension }: Finishing): void {
  const about = socketName(socket)
  if (socket.shutdown) program.callWith({ about }, "shutdown", fd, socket.shutdown - 1)
  restoreSocketOptions(socket.opts, program, fd, about)
  if (socket.opts.reuseaddr) setOption(program, fd, SOL_SOCKET, SO.REUSEADDR, 1, about)
  restoreBuffers(socket.opts, program, fd, about)
  const { socket_peek_offset: offset, socket_file: renamed, socket_options } = extension.get(socket.id) ?? {}
  restoreBeyond(socket_options?.options ?? [], program, fd, about)
  if (offset !== undefined) setOption(program, fd, SOL_SOCKET, SO.PEEK_OFF, offset, about)
  if (isBound(socket, files)) unlinkSocket(socket, renamed, program)
}

/** Fills both queues of a pair; then both are settled, for what was shut down takes nothing any more. */
function finishPair(socket: unix_sk_entry, peer: unix_sk_entry, finishing: Finishing): void {
  const { program, skQueues } = finishing
  const numberOf = (id: number): number => numberIn(finishing, id)
  const ways = [
    [socket, peer],
    [peer, socket],
  ] as const
  for (const [to, from] of ways) {
    const delivery = { senders: sendersOf(to.id, finishing), numberOf, about: socketName(to) }
    sendQueue(program, numberOf(from.id), skQueues.get(to.id) ?? [], delivery)
  }
  for (const [end] of ways) settle(end, numberOf(end.id), finishing)
}

/** Datagrams to one that is connected to none, or to one that is not connected to it: only that one may send to it then. */
function fillByName(socket: unix_sk_entry, from: unix_sk_entry | undefined, finishing: Finishing): void {
  const { program, skQueues } = finishing
  const queue = skQueues.get(socket.id) ?? []
  if (queue.length === 0) return
  const about = socketName(socket)
  const numberOf = (id: number): number => numberIn(finishing, id)
  const sender = from ? numberOf(from.id) : program.callWith({ about }, "socket", AF.UNIX, SOCK.DGRAM, 0)
  sendQueue(program, sender, queue, { to: addressOf(socket.name), senders: sendersOf(socket.id, finishing), numberOf, about })
  if (!from) program.call("close", sender)
}

/**
 * Appends what a socket gets when all files of the program stand at their numbers. Of a pair the one with the lower id does it for both.
 */
export function finishUnix(entry: unix_sk_entry, finishing: Finishing, fd: number): void {
  const relation = relationOf(entry, finishing.files)
  if (relation.kind === "pair") {
    if (entry.id < relation.peer.id) finishPair(entry, relation.peer, finishing)
    return
  }
  if (relation.kind === "single" || relation.kind === "sender")
    fillByName(entry, relation.kind === "sender" ? relation.peer : undefined, finishing)
  settle(entry, fd, finishing)
}
