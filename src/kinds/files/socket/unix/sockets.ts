import { NETLINK, UDIAG_SHOW, UNIX_DIAG, unixDiagMsg, unixDiagReq } from "../../../../../ffi/abi/netlink.ts"
import { AF, SOCK, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import { decode, encode } from "../../../../../ffi/layout.ts"
import { errnoOf } from "../../../../base/errno.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import { askSockets } from "../diag.ts"
import { openNetlink, parseAttributes, type Reply } from "../netlink.ts"

/** A unix socket as the kernel tells it. */
export interface UnixSocket {
  readonly ino: number
  /** SOCK_* */
  readonly type: number
  /** One of TCP_STATE. */
  readonly state: number
  /** sun_path as bound: a path with its NUL, or a NUL and an abstract name; empty = unbound. An accepted socket has its listener's. */
  readonly name: Uint8Array
  /** The file that a path was bound to: inode, and device in the kernel's form. */
  readonly file: { readonly ino: number; readonly dev: number } | undefined
  /** Inode of the peer, 0 = none, or one that nobody has a descriptor of any more. */
  readonly peer: number
  /** Inodes of clients that a listener has not accepted yet, in their order; 0 = one that has gone. */
  readonly pending: readonly number[]
  /** Bytes to be read; of a dgram socket those of its first packet. Of a listener the number of pending clients. */
  readonly queued: number
  /** Memory that sent data takes until it is read, bytes. Of a listener the backlog. */
  readonly sent: number
  /** SHUTDOWN bits. */
  readonly shutdown: number
}

/** Types of unix sockets, and their names. */
export const UNIX_TYPES: Readonly<Record<number, string>> = {
  [SOCK.STREAM]: "stream",
  [SOCK.DGRAM]: "dgram",
  [SOCK.SEQPACKET]: "seqpacket",
}
/** States that a unix socket can be kept in. */
export const UNIX_STATES: ReadonlySet<number> = new Set([TCP_STATE.ESTABLISHED, TCP_STATE.CLOSE, TCP_STATE.LISTEN])

const NOTHING = new Uint8Array(0)

const words = (bytes: Uint8Array | undefined): number[] => {
  const view = bytes && new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: (bytes?.length ?? 0) >> 2 }, (_, at) => view?.getUint32(at * 4, true) ?? 0)
}

/** The kernel's answer -> the socket. Kernel: net/unix/diag.c sk_diag_fill() */
export function parseUnix({ body }: Pick<Reply, "body">): UnixSocket {
  const { udiag_type, udiag_state, udiag_ino } = decode(unixDiagMsg, body)
  const attributes = parseAttributes(body.subarray(unixDiagMsg.size))
  const numbers = (attribute: keyof typeof UNIX_DIAG): number[] => words(attributes.get(UNIX_DIAG[attribute]))
  const [ino, dev] = numbers("VFS")
  const [queued = 0, sent = 0] = numbers("RQLEN")
  return {
    ino: udiag_ino,
    type: udiag_type,
    state: udiag_state,
    name: attributes.get(UNIX_DIAG.NAME) ?? NOTHING,
    file: ino === undefined || dev === undefined ? undefined : { ino, dev },
    peer: numbers("PEER")[0] ?? 0,
    pending: numbers("ICONS"),
    queued,
    sent,
    shutdown: attributes.get(UNIX_DIAG.SHUTDOWN)?.[0] ?? 0,
  }
}

/**
 * Every unix socket of our network namespace that somebody has a descriptor of, by inode, in one pass.
 *
 * @throws CheckpointError E_KERNEL a kernel without CONFIG_UNIX_DIAG
 */
export function readUnixSockets(): ReadonlyMap<number, UnixSocket> {
  const request = encode(unixDiagReq, {
    sdiag_family: AF.UNIX,
    udiag_states: 0xffffffff,
    udiag_show: UDIAG_SHOW.NAME | UDIAG_SHOW.VFS | UDIAG_SHOW.PEER | UDIAG_SHOW.ICONS | UDIAG_SHOW.RQLEN,
  })
  return new Map(
    askUnix(request).map((one) => {
      const socket = parseUnix(one)
      return [socket.ino, socket]
    }),
  )
}

/** Errors of a kernel that has no such table: without sock_diag at all, without this family, or of a time when it was another call. */
const NO_TABLE: readonly string[] = ["EPROTONOSUPPORT", "ENOENT", "EINVAL"]

function askUnix(request: Uint8Array): Reply[] {
  try {
    using netlink = openNetlink(NETLINK.SOCK_DIAG)
    return askSockets(netlink, request)
  } catch (error) {
    if (!NO_TABLE.includes(errnoOf(error) ?? "")) throw error
    const found = "the kernel does not tell them: it has no CONFIG_UNIX_DIAG, or cannot load that module from here"
    throw new CheckpointError("E_KERNEL", "Cannot look at unix sockets", found, "Load the module: modprobe unix_diag", error)
  }
}

/** True for a name in the file system. */
export const isPath = (name: Uint8Array): boolean => name.length > 0 && name[0] !== 0

/** True for one whose path is made again: an accepted socket has its listener's, and is not bound. */
export const isPlaced = ({ name, type, state }: Pick<UnixSocket, "name" | "type" | "state">): boolean =>
  isPath(name) && (type === SOCK.DGRAM || state !== TCP_STATE.ESTABLISHED)

/** A name as people write it: abstract ones with "@". */
export const nameText = (name: Uint8Array): string =>
  isPath(name) ? Buffer.from(name).toString().replace(/\0$/, "") : `@${Buffer.from(name.subarray(1)).toString()}`

export const isListening = ({ state }: Pick<UnixSocket, "state">): boolean => state === TCP_STATE.LISTEN
export const isEstablished = ({ state }: Pick<UnixSocket, "state">): boolean => state === TCP_STATE.ESTABLISHED
