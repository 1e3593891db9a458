import { NETLINK_OPTION, SOL_NETLINK, sockaddrNl } from "../../../../../ffi/abi/netlink.ts"
import { AF, SO, SOCK, SOL_SOCKET } from "../../../../../ffi/abi/socket.ts"
import { encode } from "../../../../../ffi/layout.ts"
import type { netlink_sk_entry } from "../../../../../proto/gen/sk-netlink_pb.ts"
import type { Result } from "../../../../tracee/program.ts"
import type { Restoring } from "../../restoring.ts"
import { restoreBeyond } from "../beyond.ts"
import { restoreBuffers, restoreSocketOptions, setOption } from "../options.ts"
import { NETLINK_STATE } from "./collect.ts"
import { numbersOf } from "./groups.ts"

const { LIST_MEMBERSHIPS } = NETLINK_OPTION
const KNOWN: ReadonlySet<number> = new Set(Object.values(NETLINK_OPTION))

/** Protocols that there are. Header: include/uapi/linux/netlink.h MAX_LINKS */
const PROTOCOLS = 32

/** What of an entry no socket can have; undefined when it is well. */
export function faultOfNetlink({ protocol, dst_group }: netlink_sk_entry): string | undefined {
  if (protocol >= PROTOCOLS) return `it is of protocol ${protocol}, and there are ${PROTOCOLS}`
  return dst_group > 32 ? `it is connected to group ${dst_group}, which no socket can be` : undefined
}

/**
 * An entry -> a netlink socket appended to the program: bound to its port, member of its groups, connected. Mirror: ./collect.ts
 * Its port must be free: bind answers EADDRINUSE otherwise. Options come first, because some say what it receives.
 */
export function restoreNetlink(entry: netlink_sk_entry, { program, extension }: Pick<Restoring, "program" | "extension">): Result {
  const { id, protocol, state, portid, groups, dst_portid, dst_group, opts } = entry
  const about = `the netlink socket ${id} of protocol ${protocol}`
  const fd = program.callWith({ about }, "socket", AF.NETLINK, SOCK.RAW, protocol)
  const address = (nl_pid: number, nl_groups: number) =>
    program.bytes(encode(sockaddrNl, { nl_family: AF.NETLINK, nl_pid, nl_groups: nl_groups >>> 0 }))
  restoreSocketOptions(opts, program, fd, about)
  restoreBuffers(opts, program, fd, about)
  if (portid !== 0) program.callWith({ about: `port ${portid} of ${about}` }, "bind", fd, address(portid, groups[0] ?? 0), sockaddrNl.size)
  for (const group of numbersOf(groups))
    if (portid === 0 || group > 32) setOption(program, fd, SOL_NETLINK, NETLINK_OPTION.ADD_MEMBERSHIP, group, `group ${group} of ${about}`)
  // Only what a dump tells, whatever an image says.
  const options = extension.get(id)?.socket_options?.options ?? []
  if (opts.reuseaddr) setOption(program, fd, SOL_SOCKET, SO.REUSEADDR, 1, about)
  restoreBeyond(options, program, fd, about)
  for (const { level, name, value } of options)
    if (level === SOL_NETLINK && name !== LIST_MEMBERSHIPS && KNOWN.has(name))
      setOption(program, fd, level, name, value, `option ${level}:${name} of ${about}`)
  if (state === NETLINK_STATE.CONNECTED) {
    const mask = dst_group === 0 ? 0 : 1 << (dst_group - 1)
    program.callWith({ about }, "connect", fd, address(dst_portid, mask), sockaddrNl.size)
  }
  return fd
}
