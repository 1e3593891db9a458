import { AF, SOCK, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { Holders } from "../../../../proc/outside.ts"
import type { Found } from "../../collecting.ts"
import { namedFile, placeOf, wholePath } from "./bound.ts"
import { isPlaced, readUnixSockets, type UnixSocket } from "./sockets.ts"
import type { AllowedPeers, Queues, UnixScene } from "./view.ts"

const SOCKET = "socket:["

/** Inode number in "socket:[7]", as long as images have them; undefined for other links. */
export const socketInode = (target: string): bigint | undefined =>
  target.startsWith(SOCKET) ? BigInt(target.slice(SOCKET.length, -1)) : undefined

/** Whether a descriptor leads to a unix socket. */
export const isUnix = ({ socket }: Pick<Found, "socket">): boolean => socket?.family === AF.UNIX
/** Inode of a socket as its link says it; 0 for what is none. */
export const inodeOf = ({ target }: Pick<Found, "target">): number => Number(socketInode(target) ?? 0n)

/** True for a unix socket that is connected to another one, or waits to be accepted. */
export const hasPeer = (found: Found, { sockets, listenerOf }: UnixScene): boolean =>
  isUnix(found) && (sockets.get(inodeOf(found))?.peer !== 0 || listenerOf(inodeOf(found)) !== undefined)

/** The peer of a socket where it is outside the dump. */
export function outsidePeer({ peer, state }: UnixSocket, { sockets, inside }: UnixScene): UnixSocket | undefined {
  return state === TCP_STATE.LISTEN || peer === 0 || inside.has(peer) ? undefined : sockets.get(peer)
}

/** True for a socket whose peer outside is found again by its name. */
export function isConnectedAnew(ino: number, unix: UnixScene): boolean {
  const socket = unix.sockets.get(ino)
  return socket !== undefined && (outsidePeer(socket, unix)?.name.length ?? 0) > 0
}

/** True for a socket that is named as one whose peer is outside. */
export const isExternalUnix = (ino: number, { externalUnix = [] }: AllowedPeers): boolean =>
  externalUnix === "all" || externalUnix.includes(ino)

/** True when a peer outside may be left there: it is found again by its name, or given up. */
export const mayBeOutside = ({ ino, type }: UnixSocket, peer: UnixSocket, { allowed }: UnixScene): boolean =>
  isExternalUnix(ino, allowed) || (allowed.extUnixSk === true && type === SOCK.DGRAM && peer.name.length > 0)

/** Inodes of the sockets that are to be bound to each path. */
function findPlaces(own: readonly Found[], sockets: UnixScene["sockets"]): ReadonlyMap<string, ReadonlySet<number>> {
  const places = new Map<string, Set<number>>()
  for (const found of own) {
    const socket = sockets.get(inodeOf(found))
    const bound = socket && isPlaced(socket) ? (found.bound ?? namedFile(found.pid, socket)) : undefined
    const place = socket && bound && placeOf(socket.name, bound)
    if (!place) continue
    const path = wholePath(socket.name, place)
    places.set(path, (places.get(path) ?? new Set()).add(socket.ino))
  }
  return places
}

/**
 * Looks at the sockets of the machine, if there are any in the dump.
 *
 * @param stopped what a look at a stopped tree has found already
 */
export function openScene(
  all: readonly Found[],
  holders: Holders<bigint>,
  allowed: AllowedPeers,
  stopped: (Queues & { readonly sockets: UnixScene["sockets"] | undefined }) | undefined,
): UnixScene {
  const own = all.filter(isUnix)
  const sockets = stopped?.sockets ?? (own.length > 0 ? readUnixSockets() : new Map<number, UnixSocket>())
  const listeners = new Map<number, UnixSocket>()
  for (const socket of sockets.values()) for (const client of socket.pending) listeners.set(client, socket)
  let places: ReturnType<typeof findPlaces> | undefined
  return {
    sockets,
    inside: new Set(own.map(inodeOf)),
    listenerOf: (client) => listeners.get(client),
    namesake: (path, ino) => {
      places ??= findPlaces(own, sockets)
      return [...(places.get(path) ?? [])].find((other) => other !== ino)
    },
    holder: (inode) => holders.get(BigInt(inode)),
    allowed,
    queues: stopped,
  }
}
