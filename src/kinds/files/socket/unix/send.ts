import { iovec } from "../../../../../ffi/abi/ptrace.ts"
import { cmsghdr, MSG, msghdr, SCM, SOL_SOCKET, ucred } from "../../../../../ffi/abi/socket.ts"
import { encode } from "../../../../../ffi/layout.ts"
import type { stasis_credentials_entry } from "../../../../../proto/gen/stasis_pb.ts"
import type { Argument, Program } from "../../../../tracee/program.ts"
import type { SocketData } from "../../payloads.ts"
import { sizeBuffer } from "../buffers.ts"

/** Memory that one packet takes besides its bytes, and most that a buffer may be asked for. */
const PACKET_COST = 4096
const MOST = 0x3fffffff

/** Appends room for a whole queue in the socket that sends it. Its own size is set afterwards. */
function makeRoom(program: Program, sender: Argument, queue: readonly SocketData[], about: string): void {
  if (queue.length === 0) return
  const bytes = queue.reduce((sum, { payload }) => sum + 2 * payload.length + PACKET_COST, 1 << 16)
  sizeBuffer("send", Math.min(bytes, MOST), program, sender, about)
}

/** How packets are sent. */
interface Delivery {
  /** Address of the receiver, for a sender that is not connected to it. */
  readonly to?: Uint8Array
  /** Who is told to have sent each packet. */
  readonly senders: readonly stasis_credentials_entry[] | undefined
  /** Descriptor of a file in flight, by its id. */
  readonly numberOf: (id: number) => number
  readonly about: string
}

/**
 * Appends that a queue is filled again, packet by packet, by the socket that sends into it. To be told as who one is not takes
 * CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID; the sender must exist.
 */
export function sendQueue(
  program: Program,
  sender: Argument,
  queue: readonly SocketData[],
  { to, senders, numberOf, about }: Delivery,
): void {
  makeRoom(program, sender, queue, about)
  for (const [index, { payload, message }] of queue.entries()) {
    const rights = message.scm.flatMap((scm) => scm.rights).map(numberOf)
    const iov = program.bytes(encode(iovec, { iov_len: payload.length }))
    program.point(iov, iovec.fields.iov_base[0], program.bytes(payload))
    const control = controlOf(rights, senders?.[index])
    const head = program.bytes(
      encode(msghdr, { msg_namelen: to?.length ?? 0, msg_iovlen: 1, msg_controllen: control?.length ?? 0, msg_flags: 0 }),
    )
    program.point(head, msghdr.fields.msg_iov[0], iov)
    if (to) program.point(head, msghdr.fields.msg_name[0], program.bytes(to))
    if (control) program.point(head, msghdr.fields.msg_control[0], program.bytes(control))
    const wanted = { about: `the queue of ${about}`, returns: payload.length }
    program.callWith(wanted, "sendmsg", sender, head, MSG.DONTWAIT | MSG.NOSIGNAL)
  }
}

/** One control message, padded as the next one wants it. */
function controlMessage(cmsg_type: number, data: Uint8Array): Uint8Array {
  const cmsg_len = cmsghdr.size + data.length
  const bytes = new Uint8Array(Math.ceil(cmsg_len / 8) * 8)
  bytes.set(encode(cmsghdr, { cmsg_len, cmsg_level: SOL_SOCKET, cmsg_type }))
  bytes.set(data, cmsghdr.size)
  return bytes
}

function controlOf(rights: readonly number[], sender: stasis_credentials_entry | undefined): Uint8Array | undefined {
  const parts = [
    ...(rights.length > 0 ? [controlMessage(SCM.RIGHTS, new Uint8Array(Int32Array.from(rights).buffer))] : []),
    ...(sender ? [controlMessage(SCM.CREDENTIALS, encode(ucred, { pid: sender.pid, uid: sender.uid, gid: sender.gid }))] : []),
  ]
  return parts.length > 0 ? new Uint8Array(Buffer.concat(parts)) : undefined
}
