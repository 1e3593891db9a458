import { AF } from "../../../../ffi/abi/socket.ts"
import type { Found } from "../kind.ts"
import { readUnixSockets, type UnixSocket } from "./sockets.ts"
import type { Queues, UnixScene } from "./view.ts"

const SOCKET = "socket:["

/** Inode number in "socket:[7]", as long as images have them; undefined for other links. */
export const socketInode = (target: string): bigint | undefined =>
  target.startsWith(SOCKET) ? BigInt(target.slice(SOCKET.length, -1)) : undefined

export const isUnix = ({ family }: Pick<Found, "family">): boolean => family === AF.UNIX
export const inodeOf = ({ target }: Pick<Found, "target">): number => Number(socketInode(target) ?? 0n)

/** True for a unix socket that is connected to another one, or waits to be accepted. */
export const hasPeer = (found: Found, { sockets, listenerOf }: UnixScene): boolean =>
  isUnix(found) && (sockets.get(inodeOf(found))?.peer !== 0 || listenerOf(inodeOf(found)) !== undefined)

/** Looks at the sockets of the machine, if there are any in the dump. */
export function openScene(all: readonly Found[], holders: ReadonlyMap<bigint, number>, queues: Queues | undefined): UnixScene {
  const own = all.filter(isUnix)
  const sockets = own.length > 0 ? readUnixSockets() : new Map<number, UnixSocket>()
  const listeners = new Map<number, UnixSocket>()
  for (const socket of sockets.values()) for (const client of socket.pending) listeners.set(client, socket)
  return {
    sockets,
    inside: new Set(own.map(inodeOf)),
    listenerOf: (client) => listeners.get(client),
    holder: (inode) => holders.get(BigInt(inode)),
    queues,
  }
}
