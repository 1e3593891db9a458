import { FIONREAD } from "../../../../../ffi/abi/file.ts"
import { iovec } from "../../../../../ffi/abi/ptrace.ts"
import { AF, cmsghdr, MSG, msghdr, SCM, SO, SOCK, SOL_SOCKET, UNIX_NAME, ucred } from "../../../../../ffi/abi/socket.ts"
import type { KernelMemory } from "../../../../../ffi/kernel.ts"
import { type Decoded, decode, encodeInto } from "../../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError, syscall } from "../../../../../ffi/syscall.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import { PAGE_SIZE } from "../../../../base/units.ts"
import { eventsOf, POLL } from "../../poll.ts"
import { askCount, askNumber } from "../ask.ts"
import type { UnixSocket } from "./sockets.ts"

/** One message in a queue, or bytes of a stream that belong together. */
export interface Packet {
  readonly payload: Uint8Array
  /** Descriptors of ours for the files that travel with it. */
  readonly rights: readonly number[]
  /** Who sent it, as the socket's owner would be told (SO_PASSCRED). */
  readonly credentials: Decoded<typeof ucred> | undefined
  /** Name of the socket that it was sent from; empty = none, or a stream's. */
  readonly sender: Uint8Array
}

const HEAD = 0
const IOV = 64
const NAME = 128
const NAME_ROOM = 112
const CONTROL = 4096
/** 253 descriptors, credentials and a security label. */
const CONTROL_ROOM = 4096
const memory = allocate(CONTROL + CONTROL_ROOM)

/** Where what is peeked at goes: `size` bytes, behind which nothing can be written. */
interface Room extends Pick<KernelMemory, "address" | "bytes"> {
  readonly size: number
}

function openRoom(bytes: number): Room {
  const { address, bytes: whole } = allocate(bytes + PAGE_SIZE)
  const size = whole.length - PAGE_SIZE
  syscall("mprotect", address + size, PAGE_SIZE, 0)
  return { address, bytes: whole, size }
}

const LEAST_ROOM = 256 * 1024
let room: Room | undefined
/** The room, of `bytes` at least: made by the first look, and replaced by a larger one for a larger packet. */
function roomFor(bytes = LEAST_ROOM): Room {
  if (!room || room.size < bytes) room = openRoom(Math.max(bytes, LEAST_ROOM))
  return room
}

interface Peeked extends Packet {
  /** Bytes of the whole message: more than its payload where the room was too small. */
  readonly length: number
}

function readControl(length: number): Pick<Packet, "rights" | "credentials"> {
  const rights: number[] = []
  let credentials: Packet["credentials"]
  for (let at = 0; at + cmsghdr.size <= length; ) {
    const { cmsg_len, cmsg_level, cmsg_type } = decode(cmsghdr, memory.bytes, CONTROL + at)
    const [start, end] = [CONTROL + at + cmsghdr.size, CONTROL + at + Number(cmsg_len)]
    if (Number(cmsg_len) < cmsghdr.size) break
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM.RIGHTS)
      for (let fd = start; fd + 4 <= end; fd += 4) rights.push(memory.view.getInt32(fd, true))
    // For a socket with SO_PASSPIDFD; the program gets one of its own when it reads.
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM.PIDFD) attempt("close", memory.view.getInt32(start, true))
    if (cmsg_level === SOL_SOCKET && cmsg_type === SCM.CREDENTIALS) credentials = decode(ucred, memory.bytes, start)
    at += Math.ceil(Number(cmsg_len) / 8) * 8
  }
  return { rights, credentials }
}

/**
 * Looks at what stands at an offset of a queue.
 *
 * @param offset bytes from the queue's start   @param length most bytes of a stream; room for a packet
 * @param more MSG.TRUNC for packets: their whole length is told
 * @param at offset in the room
 * @returns undefined where nothing is left, or where the first piece does not fit into what is left of the room
 */
function peekAt(socket: number, offset: number, length: number, more = 0, at = 0): Peeked | undefined {
  const data = roomFor(length)
  setPeekOffset(socket, offset)
  encodeInto(iovec, memory.bytes, { iov_base: data.address + at, iov_len: length }, IOV)
  encodeInto(msghdr, memory.bytes, {
    msg_name: memory.address + NAME,
    msg_namelen: NAME_ROOM,
    msg_iov: memory.address + IOV,
    msg_iovlen: 1,
    msg_control: memory.address + CONTROL,
    msg_controllen: CONTROL_ROOM,
    msg_flags: 0,
  })
  const answer = attempt("recvmsg", socket, memory.address + HEAD, MSG.PEEK | MSG.DONTWAIT | MSG.CMSG_CLOEXEC | more)
  if (isFailure(answer)) {
    if (errnoName(-answer) === "EAGAIN" || errnoName(-answer) === "EFAULT") return undefined
    throw new SyscallError("recvmsg", errnoName(-answer), [socket])
  }
  const { msg_namelen, msg_controllen, msg_flags } = decode(msghdr, memory.bytes, HEAD)
  const control = readControl(Number(msg_controllen))
  if (msg_flags & MSG.CTRUNC) {
    forget(control)
    const next = "Raise RLIMIT_NOFILE (ulimit -n) of stasis"
    throw new CheckpointError("E_KERNEL", "Cannot look at descriptors in a socket's queue", "no further descriptor is to be had", next)
  }
  return {
    payload: data.bytes.slice(at, at + Math.min(answer, length)),
    length: answer,
    sender: memory.bytes.slice(NAME + UNIX_NAME, NAME + Math.max(msg_namelen, UNIX_NAME)),
    ...control,
  }
}

/** Closes what a look has given us. */
const forget = ({ rights }: Pick<Packet, "rights">): void => rights.forEach((fd) => void attempt("close", fd))

function setPeekOffset(socket: number, offset: number): void {
  memory.view.setInt32(NAME, offset, true)
  syscall("setsockopt", socket, SOL_SOCKET, SO.PEEK_OFF, memory.address + NAME, 4)
}

/**
 * Cuts bytes of a stream in front of the first that descriptors came with: a look gives both in one piece, where a reader gets them with
 * that very byte.
 *
 * Into a room that is one byte too small the kernel copies all pieces but the last, which is the one with the descriptors; a look at
 * fewer bytes would give those all the same. Kernel: net/unix/af_unix.c unix_stream_read_generic()
 */
function cutBefore(socket: number, offset: number, whole: Peeked): Packet[] {
  const { length } = whole
  const before = peekAt(socket, offset, length, 0, roomFor(length).size - length + 1)
  if (!before) return [whole]
  if (before.rights.length > 0) throw new Error(`Unreachable: ${before.length} of ${length} bytes came with descriptors`)
  return [before, { ...whole, payload: whole.payload.subarray(before.length) }]
}

function peekStream(socket: number, bytes: number): Packet[] {
  const packets: Packet[] = []
  for (let offset = 0; offset < bytes; ) {
    const part = peekAt(socket, offset, bytes - offset)
    if (!part || part.length === 0) break
    packets.push(...(part.rights.length > 0 ? cutBefore(socket, offset, part) : [part]))
    offset += part.length
  }
  return packets
}

function peekPackets(socket: number, isOver: (offset: number) => boolean): Packet[] {
  const packets: Packet[] = []
  for (let offset = 0; ; ) {
    let packet = peekAt(socket, offset, roomFor().size, MSG.TRUNC)
    if (packet && packet.length > packet.payload.length) {
      forget(packet)
      packet = peekAt(socket, offset, packet.length, MSG.TRUNC)
    }
    // The end of a connection looks like a packet of no bytes; behind one that is there, other bytes may be.
    if (!packet || (packet.length === 0 && packet.rights.length === 0 && isOver(offset))) return packets
    packets.push(packet)
    offset += packet.length
  }
}

/**
 * What is in a socket's queue, which keeps it. Bounds of packets are kept; of a stream only where descriptors or other credentials begin.
 *
 * Preconditions: its owner is stopped, for the offset that looks begin at (SO_PEEK_OFF) is moved and put back; it has no pending error
 * (`hasError`), which a look would take away. Packets of no bytes that somebody has looked at before are passed over by the kernel.
 */
export function peekQueue(socket: number, { type, queued, shutdown }: Pick<UnixSocket, "type" | "queued" | "shutdown">): Packet[] {
  if (type === SOCK.STREAM && queued === 0) return []
  if (type !== SOCK.STREAM && !(eventsOf(socket, POLL.IN) & POLL.IN)) return []
  const before = askNumber(socket, SOL_SOCKET, SO.PEEK_OFF) ?? -1
  try {
    if (type === SOCK.STREAM) return peekStream(socket, queued)
    return peekPackets(socket, (offset) => type === SOCK.SEQPACKET && shutdown !== 0 && offset >= askCount(socket, FIONREAD))
  } finally {
    setPeekOffset(socket, before)
  }
}

/** Looks into a queue of our own: what the engine has run once is faster in the freeze. */
export function rehearsePeek(): void {
  syscall("socketpair", AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC, 0, memory.address + NAME)
  const ends = [memory.view.getInt32(NAME, true), memory.view.getInt32(NAME + 4, true)] as const
  try {
    syscall("write", ends[1], memory.address, 1)
    peekQueue(ends[0], { type: SOCK.DGRAM, queued: 1, shutdown: 0 })
  } finally {
    for (const end of ends) syscall("close", end)
  }
}

/** An error is due that the program has not been told of, such as ECONNRESET. */
export const hasError = (socket: number): boolean => (eventsOf(socket, POLL.IN) & POLL.ERR) !== 0

/** A stream has an urgent byte (MSG_OOB): among the others (SO_OOBINLINE), which only poll(2) tells, or in a queue of its own. */
export function hasUrgent(socket: number): boolean {
  if (eventsOf(socket, POLL.PRI) & POLL.PRI) return true
  encodeInto(iovec, memory.bytes, { iov_base: memory.address + NAME, iov_len: 1 }, IOV)
  encodeInto(msghdr, memory.bytes, {
    msg_name: 0,
    msg_namelen: 0,
    msg_iov: memory.address + IOV,
    msg_iovlen: 1,
    msg_control: 0,
    msg_controllen: 0,
  })
  return attempt("recvmsg", socket, memory.address + HEAD, MSG.OOB | MSG.PEEK | MSG.DONTWAIT) === 1
}
