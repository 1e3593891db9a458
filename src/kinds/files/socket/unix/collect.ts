import { AF, SHUTDOWN, SO, SOCK, SOL_SOCKET, TCP_STATE, ucred } from "../../../../../ffi/abi/socket.ts"
import { type Decoded, decode } from "../../../../../ffi/layout.ts"
import { fd_types } from "../../../../../proto/gen/fdinfo_pb.ts"
import type { sk_shutdown } from "../../../../../proto/gen/sk-opts_pb.ts"
import type { unix_sk_entry } from "../../../../../proto/gen/sk-unix_pb.ts"
import type { Collecting, Found, OpenFile } from "../../collecting.ts"
import { NO_OWNER } from "../../owner.ts"
import type { SocketData } from "../../payloads.ts"
import { askAddress, askNumber, askOption } from "../ask.ts"
import { collectBeyond } from "../beyond.ts"
import { collectSocketOptions, NO_OPTIONS } from "../options.ts"
import { type BoundPlace, namedFile, placeOf } from "./bound.ts"
import { hasError } from "./queue.ts"
import { UFLAGS } from "./relations.ts"
import { inodeOf, outsidePeer } from "./scene.ts"
import { isEstablished, isListening, isPath, type UnixSocket } from "./sockets.ts"
import { socketText } from "./survey.ts"
import type { Queues } from "./view.ts"

/**
 * Inode of the socket that an entry names as its peer: of a client that waits to be accepted it is the listener. A peer outside that has a
 * name gets an entry as CRIU makes one up; one without is given up.
 */
function peerOf(socket: UnixSocket, { unix, table, outsidePeers }: Pick<Collecting, "unix" | "table" | "outsidePeers">): number {
  const { ino, peer, state } = socket
  if (peer === 0 && isEstablished({ state })) return unix.listenerOf(ino)?.ino ?? 0
  const outside = outsidePeer(socket, unix)
  if (!outside) return peer
  if (outside.name.length === 0) return 0
  if (!outsidePeers.has(peer)) {
    const id = table.nextId()
    outsidePeers.set(peer, id)
    table.add({ type: fd_types.UNIXSK, id, usk: outsideEntry(id, outside) })
  }
  return peer
}

const outsideEntry = (id: number, { ino, name }: UnixSocket): unix_sk_entry => ({
  id,
  ino,
  type: SOCK.DGRAM,
  state: TCP_STATE.LISTEN,
  flags: 0,
  uflags: UFLAGS.EXTERN,
  backlog: 0,
  peer: 0,
  fown: { ...NO_OWNER },
  opts: NO_OPTIONS,
  name: name.slice(),
})

/** Where the socket's file is, and whose. */
interface FileFacts {
  readonly place?: BoundPlace | undefined
  readonly fields: Pick<unix_sk_entry, "file_perms" | "name_dir" | "deleted">
}

function fileFacts(socket: UnixSocket, found: Found): FileFacts {
  const { name } = socket
  const bound = isPath(name) ? (found.bound ?? namedFile(found.pid, socket)) : undefined
  if (!bound) return { fields: {} }
  const { mode, uid, gid } = bound.stat
  const place = placeOf(name, bound)
  const fields = {
    file_perms: { mode, uid, gid },
    ...(place?.directory === undefined ? {} : { name_dir: place.directory }),
    ...(place?.deleted ? { deleted: true } : {}),
  }
  return { place, fields }
}

/** -1, as the kernel tells IDs that there are none of. */
const NOBODY = 0xffffffff

/** Who made the peer of a unix socket, or listens; undefined for one that is not connected. Man page: unix(7), SO_PEERCRED */
function askPeer(fd: number): Decoded<typeof ucred> | undefined {
  const bytes = askOption(fd, SOL_SOCKET, SO.PEERCRED, ucred.size)
  const peer = bytes && decode(ucred, bytes)
  return peer?.pid === 0 && peer.uid === NOBODY ? undefined : peer
}

/**
 * State of a socket as kernels since 5.15 tell it: before, a datagram socket stays closed when it is connected. One without a name and with
 * a peer that has gone would be told from one that never had one by nothing else. Kernel: net/unix/af_unix.c unix_dgram_connect(),
 * unix_getname()
 */
function stateOf({ type, state, name, peer }: UnixSocket, fd: number): number {
  const silent = type === SOCK.DGRAM && state === TCP_STATE.CLOSE && name.length === 0 && peer === 0
  return silent && askAddress(fd, "getpeername") ? TCP_STATE.ESTABLISHED : state
}

/** An open unix socket -> its entry; its queue goes to sk-queues.img: `collectQueues`. Mirror: ./restore.ts */
export function collectUnix(
  file: OpenFile,
  {
    unix,
    table,
    outsidePeers,
    copies,
    extension,
    losses,
  }: Pick<Collecting, "unix" | "table" | "outsidePeers" | "copies" | "extension" | "losses">,
): unix_sk_entry {
  const { id, flags, owner } = file
  const ino = inodeOf(file)
  const socket = unix.sockets.get(ino)
  const told = copies.lend(file.fd, (copy) => ({
    opts: collectSocketOptions(copy),
    options: collectBeyond(copy, { family: AF.UNIX, type: socket?.type ?? SOCK.STREAM, protocol: 0 }),
    peekOffset: askNumber(copy, SOL_SOCKET, SO.PEEK_OFF) ?? -1,
    reset: hasError(copy),
    peer: askPeer(copy),
    state: socket && stateOf(socket, copy),
  }))
  if (!socket || !told) throw new Error(`Unreachable: socket ${ino} was there a moment ago`)
  if (outsidePeer(socket, unix) && socket.type !== SOCK.DGRAM)
    losses.push(`the connection of ${socketText(socket)} to outside: it is made anew by its name, or has ended`)
  const pending = unix.listenerOf(ino)?.pending.indexOf(ino)
  const senders = unix.queues?.packets.get(ino)?.flatMap(({ credentials }) => credentials ?? []) ?? []
  const { place, fields } = fileFacts(socket, file)
  const facts = {
    ...(told.peekOffset >= 0 ? { socket_peek_offset: told.peekOffset } : {}),
    ...(pending ? { socket_pending: pending } : {}),
    ...(told.options.length > 0 ? { socket_options: { options: told.options } } : {}),
    ...(told.reset ? { socket_reset: true } : {}),
    ...(told.peer ? { socket_peer: told.peer } : {}),
    ...(senders.length > 0 ? { socket_senders: { senders } } : {}),
    ...(place?.renamed === undefined ? {} : { socket_file: place.renamed }),
  }
  if (Object.keys(facts).length > 0) extension.push({ id, ...facts })
  // A connection that is given up is one that has ended.
  const outside = outsidePeer(socket, unix)
  const ends = outside?.name.length === 0 && socket.type !== SOCK.DGRAM
  const shutdown = ends ? SHUTDOWN.RCV | SHUTDOWN.SEND : socket.shutdown
  return {
    id,
    ino,
    type: socket.type,
    state: told.state ?? socket.state,
    flags,
    uflags: 0,
    backlog: isListening(socket) ? socket.sent : 0,
    peer: peerOf(socket, { unix, table, outsidePeers }),
    fown: owner,
    opts: told.opts,
    name: socket.name.slice(),
    ...(shutdown === 0 ? {} : { shutdown: shutdown as sk_shutdown }),
    ...fields,
  }
}

const RIGHTS = 1

/**
 * What was in the queues, as sk-queues.img wants it.
 *
 * @param ids file ids of sockets, by inode   @param idOf file id of a descriptor of ours that came with a packet
 * @param isKept false for a socket that is connected anew: nobody here could fill its queue
 */
export function collectQueues(
  { packets }: Queues,
  ids: ReadonlyMap<number, number>,
  idOf: (fd: number) => number,
  isKept: (ino: number) => boolean,
): SocketData[] {
  return [...packets].flatMap(([ino, queue]) => {
    if (!isKept(ino)) return []
    const id_for = ids.get(ino)
    if (id_for === undefined) throw new Error(`Unreachable: socket ${ino} was not collected`)
    return queue.map(({ payload, rights }) => {
      const scm = rights.length === 0 ? [] : [{ type: RIGHTS, rights: rights.map(idOf) }]
      return { message: { id_for, length: payload.length, scm }, payload }
    })
  })
}
