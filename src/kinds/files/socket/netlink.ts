import { type NETLINK, NLA_F_NESTED, NLM_F, NLMSG, nlmsghdr } from "../../../../ffi/abi/netlink.ts"
import { AF, MSG, SOCK } from "../../../../ffi/abi/socket.ts"
import { pause } from "../../../../ffi/interrupt.ts"
import { decode, encodeInto } from "../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError, syscall } from "../../../../ffi/syscall.ts"

const ROOM = 256 * 1024
const memory = allocate(ROOM)
/** How long the kernel may take for one answer, ms. */
const PATIENCE = 5000

const aligned = (bytes: number): number => (bytes + 3) & ~3

/** Bytes one after another, each part padded to 4. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + aligned(length), 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += aligned(part.length)
  }
  return whole
}

/** A number in network order. */
export function bigEndian(value: number, width: 2 | 4 = 4): Uint8Array {
  const bytes = new Uint8Array(width)
  const view = new DataView(bytes.buffer)
  if (width === 2) view.setUint16(0, value)
  else view.setUint32(0, value >>> 0)
  return bytes
}

/** One attribute. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(4)
  const view = new DataView(head.buffer)
  view.setUint16(0, 4 + value.length, true)
  view.setUint16(2, type, true)
  return joined(head, value)
}

/** One attribute that holds others. */
export const nested = (type: number, ...parts: readonly Uint8Array[]): Uint8Array => attribute(type | NLA_F_NESTED, joined(...parts))

/** One message with its head. Kernel: net/netlink/af_netlink.c netlink_rcv_skb() */
export function message(nlmsg_type: number, nlmsg_flags: number, nlmsg_seq: number, body: Uint8Array): Uint8Array {
  const head = new Uint8Array(nlmsghdr.size)
  encodeInto(nlmsghdr, head, { nlmsg_len: nlmsghdr.size + body.length, nlmsg_type, nlmsg_flags, nlmsg_seq })
  return joined(head, body)
}

/** What came back. */
export interface Reply {
  readonly type: number
  readonly flags: number
  readonly seq: number
  /** What stands behind the head. */
  readonly body: Uint8Array
}

/** Messages of one packet. */
export function* parseMessages(bytes: Uint8Array): Generator<Reply> {
  for (let at = 0; at + nlmsghdr.size <= bytes.length; ) {
    const { nlmsg_len, nlmsg_type, nlmsg_flags, nlmsg_seq } = decode(nlmsghdr, bytes, at)
    if (nlmsg_len < nlmsghdr.size || at + nlmsg_len > bytes.length) return
    yield { type: nlmsg_type, flags: nlmsg_flags, seq: nlmsg_seq, body: bytes.subarray(at + nlmsghdr.size, at + nlmsg_len) }
    at += aligned(nlmsg_len)
  }
}

/** Attributes by type, the flags of the type taken off; the last of equal ones counts. */
export function parseAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found = new Map<number, Uint8Array>()
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true)
    if (length < 4 || at + length > bytes.length) break
    found.set(view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length))
    at += aligned(length)
  }
  return found
}

/** A netlink socket of our own, in the network namespace that we are in. */
export interface Netlink extends Disposable {
  readonly fd: number
  /**
   * Sends a packet of messages and reads what comes back: up to the end of a dump, or until the message `last` is acknowledged.
   *
   * @param last number of the last message that asks for an answer
   * @throws SyscallError the kernel refused a message
   */
  ask(packet: Uint8Array, last: number): Reply[]
}

/** @throws SyscallError EPROTONOSUPPORT the kernel has no such family */
export function openNetlink(family: (typeof NETLINK)[keyof typeof NETLINK]): Netlink {
  const fd = syscall("socket", AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, family)
  return {
    fd,
    ask(packet, last) {
      if (packet.length > ROOM) throw new SyscallError("sendto", "EMSGSIZE", [fd, packet.length])
      memory.bytes.set(packet)
      syscall("sendto", fd, memory.address, packet.length, MSG.NOSIGNAL, 0, 0)
      const replies: Reply[] = []
      const end = performance.now() + PATIENCE
      for (;;) {
        const got = attempt("recvfrom", fd, memory.address, ROOM, MSG.DONTWAIT, 0, 0)
        if (isFailure(got)) {
          const errno = errnoName(-got)
          if ((errno !== "EAGAIN" && errno !== "EINTR") || performance.now() > end) throw new SyscallError("recvfrom", errno, [fd])
          pause(1)
          continue
        }
        for (const reply of parseMessages(memory.bytes.slice(0, got))) {
          if (reply.type === NLMSG.ERROR) {
            const errno = -new DataView(reply.body.buffer, reply.body.byteOffset, 4).getInt32(0, true)
            if (errno !== 0) throw new SyscallError("sendto", errnoName(errno), [fd, packet.length], ` for message ${reply.seq} of netlink`)
            if (reply.seq === last) return replies
          } else if (reply.type === NLMSG.DONE) return replies
          else replies.push(reply)
        }
      }
    },
    [Symbol.dispose]: () => void attempt("close", fd),
  }
}

/** True when a dump may lack or repeat objects, because they changed meanwhile. */
export const isTorn = (replies: readonly Reply[]): boolean => replies.some(({ flags }) => (flags & NLM_F.DUMP_INTR) !== 0)
