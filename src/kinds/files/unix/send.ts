import { cmsghdr, iovec, MSG, msghdr, SCM, SO, SOL_SOCKET } from "../../../../ffi/abi/socket.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import type { SocketData } from "../kind.ts"
import { setOption } from "../sockopts.ts"

/** Memory that one packet takes besides its bytes, and most that a buffer may be asked for. */
const PACKET_COST = 4096
const MOST = 0x3fffffff

/** Appends room for a whole queue in the socket that sends it. Its own size is set afterwards. */
function makeRoom(program: Program, sender: Argument, queue: readonly SocketData[], about: string): void {
  if (queue.length === 0) return
  const bytes = queue.reduce((sum, { payload }) => sum + 2 * payload.length + PACKET_COST, 1 << 16)
  setOption(program, sender, SO.SNDBUFFORCE, Math.min(bytes, MOST), about)
}

/**
 * Appends that a queue is filled again, packet by packet, by the socket that sends into it.
 *
 * @param to address of the receiver, for a sender that is not connected to it
 * @param numberOf descriptor of a file in flight, by its id
 */
export function sendQueue(
  program: Program,
  sender: Argument,
  queue: readonly SocketData[],
  { to, numberOf, about }: { to?: Uint8Array; numberOf: (id: number) => number; about: string },
): void {
  makeRoom(program, sender, queue, about)
  for (const { payload, message } of queue) {
    const rights = message.scm.flatMap((scm) => scm.rights).map(numberOf)
    const iov = program.bytes(encode(iovec, { iov_len: payload.length }))
    program.point(iov, iovec.fields.iov_base[0], program.bytes(payload))
    const control = rights.length > 0 ? controlOf(rights) : undefined
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

function controlOf(rights: readonly number[]): Uint8Array {
  const length = cmsghdr.size + 4 * rights.length
  const bytes = new Uint8Array(Math.ceil(length / 8) * 8)
  bytes.set(encode(cmsghdr, { cmsg_len: length, cmsg_level: SOL_SOCKET, cmsg_type: SCM.RIGHTS }))
  bytes.set(new Uint8Array(Int32Array.from(rights).buffer), cmsghdr.size)
  return bytes
}
