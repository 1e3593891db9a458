import { SO } from "../../../../ffi/abi/socket.ts"
import type { sk_shutdown } from "../../../../proto/gen/sk-opts_pb.ts"
import type { unix_sk_entry } from "../../../../proto/gen/sk-unix_pb.ts"
import type { Collecting, Found, OpenFile, SocketData } from "../kind.ts"
import { askOption, askPeer, collectOptions } from "../sockopts.ts"
import { placeOf } from "./bound.ts"
import { hasError } from "./queue.ts"
import { inodeOf } from "./scene.ts"
import { isEstablished, isListening, isPath, type UnixSocket } from "./sockets.ts"
import type { Queues, UnixScene } from "./view.ts"

/** Inode of the socket that an entry names as its peer: of a client that waits to be accepted it is the listener. */
const peerOf = ({ ino, peer, state }: UnixSocket, unix: UnixScene): number =>
  peer === 0 && isEstablished({ state }) ? (unix.listenerOf(ino)?.ino ?? 0) : peer

/** Where the socket's file is, and whose. */
function fileFacts({ name }: UnixSocket, { bound }: Found): Pick<unix_sk_entry, "file_perms" | "name_dir" | "deleted"> {
  if (!isPath(name) || !bound) return {}
  const { mode, uid, gid } = bound.stat
  const place = placeOf(name, bound)
  return {
    file_perms: { mode, uid, gid },
    ...(place?.directory === undefined ? {} : { name_dir: place.directory }),
    ...(place?.deleted ? { deleted: true } : {}),
  }
}

/** An open unix socket -> its entry; its queue goes to sk-queues.img: `collectQueues`. Mirror: ./restore.ts */
export function collectUnix(file: OpenFile, { unix, copies, extension }: Pick<Collecting, "unix" | "copies" | "extension">): unix_sk_entry {
  const { id, flags, owner } = file
  const ino = inodeOf(file)
  const socket = unix.sockets.get(ino)
  const told = copies.lend(file.fd, (copy) => ({
    opts: collectOptions(copy),
    peekOffset: askOption(copy, SO.PEEK_OFF) ?? -1,
    reset: hasError(copy),
    peer: askPeer(copy),
  }))
  if (!socket || !told) throw new Error(`Unreachable: socket ${ino} was there a moment ago`)
  const pending = unix.listenerOf(ino)?.pending.indexOf(ino)
  const senders = unix.queues?.packets.get(ino)?.flatMap(({ credentials }) => credentials ?? []) ?? []
  const facts = {
    ...(told.peekOffset >= 0 ? { socket_peek_offset: told.peekOffset } : {}),
    ...(pending ? { socket_pending: pending } : {}),
    ...(told.reset ? { socket_reset: true } : {}),
    ...(told.peer ? { socket_peer: told.peer } : {}),
    ...(senders.length > 0 ? { socket_senders: { senders } } : {}),
  }
  if (Object.keys(facts).length > 0) extension.push({ id, ...facts })
  return {
    id,
    ino,
    type: socket.type,
    state: socket.state,
    flags,
    uflags: 0,
    backlog: isListening(socket) ? socket.sent : 0,
    peer: peerOf(socket, unix),
    fown: owner,
    opts: told.opts,
    name: socket.name.slice(),
    ...(socket.shutdown === 0 ? {} : { shutdown: socket.shutdown as sk_shutdown }),
    ...fileFacts(socket, file),
  }
}

const RIGHTS = 1

/**
 * What was in the queues, as sk-queues.img wants it.
 *
 * @param ids file ids of sockets, by inode   @param idOf file id of a descriptor of ours that came with a packet
 */
export function collectQueues({ packets }: Queues, ids: ReadonlyMap<number, number>, idOf: (fd: number) => number): SocketData[] {
  return [...packets].flatMap(([ino, queue]) => {
    const id_for = ids.get(ino)
    if (id_for === undefined) throw new Error(`Unreachable: socket ${ino} was not collected`)
    return queue.map(({ payload, rights }) => {
      const scm = rights.length === 0 ? [] : [{ type: RIGHTS, rights: rights.map(idOf) }]
      return { message: { id_for, length: payload.length, scm }, payload }
    })
  })
}
