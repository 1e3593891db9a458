import { SOCK } from "../../../../../ffi/abi/socket.ts"
import { attempt } from "../../../../../ffi/syscall.ts"
import type { Found, Reason } from "../../collecting.ts"
import type { Copies } from "../../copies.ts"
import { scanOwn } from "../../scan.ts"
import { hasError, hasUrgent, type Packet, peekQueue } from "./queue.ts"
import { inodeOf, isUnix } from "./scene.ts"
import { isListening, readUnixSockets, type UnixSocket } from "./sockets.ts"
import type { Queues } from "./view.ts"

/** What travels through the sockets of a tree. Disposal closes our descriptors of the files in flight. */
export interface Flight extends Queues, Disposable {
  /** Files in flight, as descriptors of ours. */
  readonly found: readonly Found[]
  /** All unix sockets, in the one pass of this look; undefined where the tree has none. */
  readonly sockets: ReadonlyMap<number, UnixSocket> | undefined
}

const PENDING_ERROR: Reason = {
  what: "a unix socket with an error that the program has not been told of yet",
  remedy: "Let the program read from the socket, then dump again",
}
const URGENT: Reason = {
  what: "a unix socket with an urgent byte (MSG_OOB) that nobody has read yet",
  remedy: "Let the program read it, then dump again",
}

/** Why a queue cannot be looked at without a change; undefined when it can. */
function refuseQueue(socket: number, { type, queued }: UnixSocket): Reason | undefined {
  if (type !== SOCK.STREAM) return hasError(socket) ? PENDING_ERROR : undefined
  return queued > 0 && hasUrgent(socket) ? URGENT : undefined
}

/**
 * Looks into the queue of every unix socket of a stopped tree, and of those that are in flight themselves. Nothing is taken out.
 *
 * @param copiesOf the way to a process's descriptors
 */
export function lookInFlight(all: readonly Found[], copiesOf: (pid: number) => Copies | undefined): Flight {
  const packets = new Map<number, readonly Packet[]>()
  const unreadable = new Map<number, Reason>()
  const found: Found[] = []
  const waiting = all.filter(isUnix)
  const sockets = waiting.length > 0 ? readUnixSockets() : undefined
  const flight: Flight = {
    sockets,
    packets,
    unreadable,
    found,
    [Symbol.dispose]: () => found.forEach(({ fd }) => void attempt("close", fd)),
  }
  const look = (socket: number, described: UnixSocket): void => {
    const reason = refuseQueue(socket, described)
    if (reason) unreadable.set(described.ino, reason)
    const queue = reason ? [] : peekQueue(socket, described)
    packets.set(described.ino, queue)
    for (const fd of queue.flatMap(({ rights }) => rights)) {
      const one = scanOwn(fd)
      found.push(one)
      if (isUnix(one)) waiting.push(one)
    }
  }
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const socket = sockets?.get(inodeOf(next))
    if (!socket || packets.has(socket.ino) || isListening(socket)) continue
    if (next.pid === process.pid) look(next.fd, socket)
    else copiesOf(next.pid)?.lend(next.fd, (copy) => look(copy, socket))
  }
  return flight
}
