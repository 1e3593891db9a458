import { groupFilter, groupReq, IPV6, MCAST, MCAST_MODE, SOCKADDR_STORAGE } from "../../../../../ffi/abi/ip.ts"
import { AF, IPPROTO, SOCK } from "../../../../../ffi/abi/socket.ts"
import { decode, encodeInto } from "../../../../../ffi/layout.ts"
import type { stasis_membership, stasis_multicast } from "../../../../../proto/gen/stasis_pb.ts"
import type { Group } from "../../../../proc/groups.ts"
import type { Argument, Program } from "../../../../tracee/program.ts"
import type { Collecting } from "../../collecting.ts"
import { askNumber, askWith, type SocketKind } from "../ask.ts"
import { deviceName, deviceNumber } from "../device.ts"
import { setOption } from "../options.ts"
import { parseAddress, sockaddrOf } from "./address.ts"

/** Where the group stands in both structures, and the sources in the filter, bytes. */
const [GROUP, SOURCES] = [8, groupFilter.size - SOCKADDR_STORAGE]
/** Most senders of one membership that are asked for: what fits into an option's 64 KiB. */
const MOST_SOURCES = 500

const SIX = 16
const familyOf = ({ length }: Uint8Array): number => (length === SIX ? AF.INET6 : AF.INET)
const levelOf = ({ length }: Uint8Array): number => (length === SIX ? IPPROTO.IPV6 : IPPROTO.IP)
const sockaddr = (bytes: Uint8Array): Uint8Array => sockaddrOf(familyOf(bytes), { bytes, port: 0, scope: 0 })

/** A filter of a group. Man page: none; RFC 3678 5.2 */
function filterOf(index: number, group: Uint8Array, mode: number, sources: readonly Uint8Array[], room = sources.length): Uint8Array {
  const filter = new Uint8Array(SOURCES + room * SOCKADDR_STORAGE)
  encodeInto(groupFilter, filter, { gf_interface: index, gf_fmode: mode, gf_numsrc: room })
  filter.set(sockaddr(group), GROUP)
  for (const [at, source] of sources.entries()) filter.set(sockaddr(source), SOURCES + at * SOCKADDR_STORAGE)
  return filter
}

/** What a socket has to do with one group; undefined when it is no member. Kernel: net/ipv4/igmp.c ip_mc_gsfget(), net/ipv6/mcast.c */
function askMembership(fd: number, { index, address }: Group, losses: string[]): stasis_membership | undefined {
  const ask = (room: number) => askWith(fd, levelOf(address), MCAST.MSFILTER, filterOf(index, address, 0, [], room))
  // Most have no senders of their own.
  const brief = ask(0)
  const full = brief && decode(groupFilter, brief).gf_numsrc > 0 ? ask(MOST_SOURCES) : brief
  const device = full && deviceName(index)
  if (!full || device === undefined) return undefined
  const { gf_fmode, gf_numsrc } = decode(groupFilter, full)
  if (gf_numsrc > MOST_SOURCES) losses.push(`${gf_numsrc - MOST_SOURCES} senders of a multicast group on ${device}, which has ${gf_numsrc}`)
  const sources = Array.from({ length: Math.min(gf_numsrc, MOST_SOURCES) }, (_, at) => {
    const from = SOURCES + at * SOCKADDR_STORAGE
    return parseAddress(full.slice(from, from + SOCKADDR_STORAGE)).bytes
  })
  return { device, group: address, ...(gf_fmode === MCAST_MODE.INCLUDE ? { includes: true } : {}), sources }
}

/**
 * Memberships of a socket in multicast groups, of which the kernel has no list: it is asked for each group that a device of the machine
 * listens to. Mirror: restoreMulticast
 *
 * @param fd a copy of the socket   @param groups those of its network namespace   @param losses gets what cannot be told, for people
 * @returns undefined when there is nothing to tell   @throws SyscallError
 */
export function collectMulticast(
  fd: number,
  { family, type }: SocketKind,
  { groups, losses }: Pick<Collecting, "groups" | "losses">,
): stasis_multicast | undefined {
  if (type === SOCK.STREAM) return undefined
  const isSix = family === AF.INET6
  // A socket of IPv6 may be a member of groups of IPv4 too.
  const memberships = groups().flatMap((group) => (isSix || group.address.length !== SIX ? (askMembership(fd, group, losses) ?? []) : []))
  const index = isSix ? (askNumber(fd, IPPROTO.IPV6, IPV6.MULTICAST_IF) ?? 0) : 0
  const device = index === 0 ? undefined : deviceName(index)
  return memberships.length > 0 || device !== undefined ? { memberships, ...(device === undefined ? {} : { device }) } : undefined
}

/** Appends the memberships of a socket. Mirror: collectMulticast. Precondition: `missingDevice` has found none. */
export function restoreMulticast({ memberships, device }: stasis_multicast, program: Program, fd: Argument, about: string): void {
  const numberOf = (name: string): number => deviceNumber(name) ?? 0
  for (const { device: name, group, includes, sources } of memberships) {
    const index = numberOf(name)
    const joining = new Uint8Array(groupReq.size)
    encodeInto(groupReq, joining, { gr_interface: index })
    joining.set(sockaddr(group), GROUP)
    setOption(program, fd, levelOf(group), MCAST.JOIN_GROUP, joining, `a multicast group of ${about}`)
    if (!includes && sources.length === 0) continue
    const filter = filterOf(index, group, includes ? MCAST_MODE.INCLUDE : MCAST_MODE.EXCLUDE, sources)
    setOption(program, fd, levelOf(group), MCAST.MSFILTER, filter, `the senders of a multicast group of ${about}`)
  }
  if (device !== undefined) setOption(program, fd, IPPROTO.IPV6, IPV6.MULTICAST_IF, numberOf(device), `the multicast device of ${about}`)
}

/** A network device that multicast needs and this machine lacks. */
export const missingDevice = ({ memberships, device }: stasis_multicast): string | undefined =>
  [...memberships.map((one) => one.device), ...(device === undefined ? [] : [device])].find((name) => deviceNumber(name) === undefined)
