import { NETLINK, NLM_F, NLMSG, nlattr, nlmsghdr, SOCK_DIAG_BY_FAMILY } from "../../../ffi/abi/netlink.ts"
import { AF, SOCK } from "../../../ffi/abi/socket.ts"
import { decode, encode } from "../../../ffi/layout.ts"
import { allocate, errnoName, SyscallError, syscall } from "../../../ffi/syscall.ts"

const ROOM = 256 * 1024
const memory = allocate(ROOM)

/** Lengths of netlink are rounded up to this. */
const ALIGN = 4
const aligned = (length: number): number => Math.ceil(length / ALIGN) * ALIGN

/** One socket as the kernel tells it: the family's message, and attributes by number. */
export interface Diagnosis {
  readonly message: Uint8Array
  readonly attributes: ReadonlyMap<number, Uint8Array>
}

function parse(payload: Uint8Array, size: number): Diagnosis {
  const attributes = new Map<number, Uint8Array>()
  for (let at = aligned(size); at + nlattr.size <= payload.length; ) {
    const { nla_len, nla_type } = decode(nlattr, payload, at)
    if (nla_len < nlattr.size) break
    attributes.set(nla_type, payload.subarray(at + nlattr.size, at + nla_len))
    at += aligned(nla_len)
  }
  return { message: payload.subarray(0, size), attributes }
}

/**
 * Asks for every socket of one family in our network namespace: one pass for all of them. Man page: sock_diag(7)
 *
 * @param request the family's request   @param size of the family's message, bytes
 * @throws SyscallError ENOENT the kernel lacks it (CONFIG_UNIX_DIAG ...)
 */
export function diagnose(request: Uint8Array, size: number): Diagnosis[] {
  const socket = syscall("socket", AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, NETLINK.SOCK_DIAG)
  try {
    const nlmsg_len = nlmsghdr.size + request.length
    memory.bytes.set(encode(nlmsghdr, { nlmsg_len, nlmsg_type: SOCK_DIAG_BY_FAMILY, nlmsg_flags: NLM_F.REQUEST | NLM_F.DUMP }))
    memory.bytes.set(request, nlmsghdr.size)
    syscall("sendto", socket, memory.address, nlmsg_len, 0, 0, 0)
    const found: Diagnosis[] = []
    for (;;) {
      const length = syscall("recvfrom", socket, memory.address, ROOM, 0, 0, 0)
      const bytes = memory.bytes.slice(0, length)
      for (let at = 0; at + nlmsghdr.size <= length; ) {
        const { nlmsg_len: whole, nlmsg_type } = decode(nlmsghdr, bytes, at)
        if (nlmsg_type === NLMSG.DONE) return found
        if (nlmsg_type === NLMSG.ERROR)
          throw new SyscallError("sock_diag", errnoName(-new DataView(bytes.buffer).getInt32(at + 16, true)), [])
        found.push(parse(bytes.subarray(at + nlmsghdr.size, at + whole), size))
        at += aligned(whole)
      }
    }
  } finally {
    syscall("close", socket)
  }
}
