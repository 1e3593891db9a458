import { SOCK } from "../../../../../ffi/abi/socket.ts"
import type { Found, Reason, Surveying } from "../../collecting.ts"
import { isAdrift, namedFile, pathText, placeOf, wholePath } from "./bound.ts"
import { inodeOf, mayBeOutside, outsidePeer } from "./scene.ts"
import { isListening, isPlaced, nameText, UNIX_STATES, UNIX_TYPES, type UnixSocket } from "./sockets.ts"
import type { UnixScene } from "./view.ts"

/** "a unix stream socket "/run/x.sock"" */
export const socketText = ({ type, name }: Pick<UnixSocket, "type" | "name">): string =>
  `a unix ${UNIX_TYPES[type] ?? `(type ${type})`} socket${name.length > 0 ? ` "${nameText(name)}"` : ""}`

/**
 * A peer that the dump does not have. Somebody's it is: the survey tells whose; what nobody has may be in flight, which only the freeze
 * shows.
 */
function refusePeer(socket: UnixSocket, unix: UnixScene): Reason | undefined {
  const { peer, ino } = socket
  if (isListening(socket) || peer === 0) return undefined
  if (!unix.inside.has(peer)) {
    const outside = outsidePeer(socket, unix)
    if (outside && mayBeOutside(socket, outside, unix)) return undefined
    const holder = unix.holder(peer)
    if (holder === undefined && !unix.queues) return undefined
    const whose = holder === undefined ? "a socket that no task of the dump has" : `task ${holder}, which is not part of the dump`
    const end = holder === undefined ? "" : `, or dump task ${holder} together with it`
    const named = outside !== undefined && outside.name.length > 0
    const again = `--external "unix[${ino}]" at dump and --ext-unix-sk at restore, which connects to its name again`
    const option =
      named && socket.type === SOCK.DGRAM
        ? "--ext-unix-sk at dump and restore"
        : named
          ? again
          : `--external "unix[${ino}]", which gives the connection up`
    const remedy = `Let the program close the connection before the dump${end}; or give ${option}`
    return { what: `${socketText(socket)} connected to ${whose}`, remedy }
  }
  const other = unix.sockets.get(peer)
  if (!other || other.peer === ino || other.name.length > 0) return undefined
  return {
    what: `${socketText(socket)} connected to one that has no name and is connected elsewhere`,
    remedy: "Let the program bind the other socket to a name, or close this one",
  }
}

/** Clients that have not been accepted yet: they must be in the dump, and what they have sent cannot be seen. */
function refusePending(socket: UnixSocket, unix: UnixScene): Reason | undefined {
  const remedy = "Let the program accept its clients, then dump again"
  for (const client of isListening(socket) ? socket.pending : []) {
    const text = `${socketText(socket)} with a client that it has not accepted`
    if (client === 0) return { what: `${text} and that has gone`, remedy }
    const holder = unix.inside.has(client) ? undefined : unix.holder(client)
    if (holder !== undefined) return { what: `${text}, of task ${holder}, which is not part of the dump`, remedy }
    if (!unix.inside.has(client) && unix.queues) return { what: `${text} and that no task of the dump has`, remedy }
  }
  if (!unix.listenerOf(socket.ino) || socket.sent === 0) return undefined
  return { what: `${socketText(socket)} that has sent data to a listener which has not accepted it yet`, remedy }
}

function refusePlace(socket: UnixSocket, found: Found, unix: UnixScene): Reason | undefined {
  if (!isPlaced(socket)) return undefined
  const path = pathText(socket.name)
  const bound = found.bound ?? namedFile(found.pid, socket)
  if (!bound)
    return {
      what: `the unix socket "${path}", whose file only CAP_NET_ADMIN may look for: its name does not lead there`,
      remedy: "Run stasis as root, or with CAP_NET_ADMIN; or let the program bind its socket anew",
    }
  const place = placeOf(socket.name, bound)
  // All are bound before the first file goes again: one would take the other's.
  const namesake = place?.deleted || place?.renamed !== undefined ? unix.namesake(wholePath(socket.name, place), socket.ino) : undefined
  if (namesake !== undefined)
    return {
      what: `the unix socket "${path}", whose file was ${place?.deleted ? "removed" : "renamed"}; socket:[${namesake}] was bound to the same name`,
      remedy: "Let the program close one of the two before the dump",
    }
  if (place) return undefined
  if (isAdrift(socket.name, bound))
    return {
      what: `the unix socket "${path}", whose file is "${bound.target}" now: nobody knows which directory its name counts from`,
      remedy: "Let the program bind it by an absolute path, or give the file its name back",
    }
  return {
    what: `the unix socket "${path}", whose file is "${bound.target}" now`,
    remedy:
      "Remove what is at the name of the socket, or let the program bind it where it is to be; or run stasis in the same root directory",
  }
}

/** Why a unix socket cannot be kept. */
export function refuseUnix(found: Found, { unix }: Pick<Surveying, "unix">): Reason | undefined {
  const socket = unix.sockets.get(inodeOf(found))
  if (!socket)
    return {
      what: `the unix socket ${found.target}, which the kernel does not list here`,
      remedy: "Run stasis in the program's network namespace",
    }
  if (!(socket.type in UNIX_TYPES) || !UNIX_STATES.has(socket.state))
    return { what: `${socketText(socket)} in state ${socket.state}`, remedy: "Let the program close it before the dump" }
  return (
    unix.queues?.unreadable.get(socket.ino) ?? refusePeer(socket, unix) ?? refusePending(socket, unix) ?? refusePlace(socket, found, unix)
  )
}
