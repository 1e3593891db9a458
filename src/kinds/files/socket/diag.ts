import {
  INET_DIAG_INFO,
  INET_DIAG_MD5SIG,
  INET_DIAG_SHUTDOWN,
  INET_DIAG_ULP_INFO,
  INET_ULP_INFO_NAME,
  inetDiagMsg,
  inetDiagReqV2,
  NETLINK,
  NLM_F,
  SOCK_DIAG_BY_FAMILY,
} from "../../../../ffi/abi/netlink.ts"
import { AF, IPPROTO } from "../../../../ffi/abi/socket.ts"
import { decode, encode } from "../../../../ffi/layout.ts"
import { SyscallError } from "../../../../ffi/syscall.ts"
import { isTorn, message, type Netlink, openNetlink, parseAttributes, type Reply } from "./netlink.ts"

/** What the kernel's tables say of a socket. */
export interface DiagSocket {
  /** TCP_STATE. */
  readonly state: number
  /** Bytes to be read; connections of a listening socket that are not accepted yet. */
  readonly received: number
  /** Bytes that were not sent or not acknowledged. */
  readonly unsent: number
  /** Halves that were shut down: 1 reading, 2 writing. */
  readonly shutdown: number
  /** It has keys by which its segments are signed (TCP_MD5SIG). Told with CAP_NET_ADMIN alone, as the next one. */
  readonly signed?: boolean
  /** Who handles its stream in the kernel (TCP_ULP): "tls". */
  readonly layer?: string
}

/** Family and protocol of sockets to be found in one question. */
export interface Wanted {
  readonly family: number
  readonly protocol: number
}

/** Protocols that the kernel keeps tables of. A socket that is neither bound nor connected is in none. */
const TABLED: ReadonlySet<number> = new Set([IPPROTO.TCP, IPPROTO.UDP, IPPROTO.UDPLITE])
/** Other families count their protocols for themselves: NETLINK_XFRM is 6 too. */
const isTabled = ({ family, protocol }: Wanted): boolean => (family === AF.INET || family === AF.INET6) && TABLED.has(protocol)
const ALL_STATES = 0xffffffff
const LOOKS = 5

/** The question after all sockets of one family and protocol. Man page: sock_diag(7) */
export const inetQuestion = ({ family, protocol }: Wanted): Uint8Array =>
  encode(inetDiagReqV2, {
    sdiag_family: family,
    sdiag_protocol: protocol,
    // Keys and layers of TCP come along with its facts. Kernel: net/ipv4/inet_diag.c inet_sk_diag_fill()
    idiag_ext: (1 << (INET_DIAG_SHUTDOWN - 1)) | (protocol === IPPROTO.TCP ? 1 << (INET_DIAG_INFO - 1) : 0),
    idiag_states: ALL_STATES,
  })

/**
 * Asks for every socket that a family's request names, in one pass; again when they changed meanwhile, a few times.
 *
 * @param request structure of the family, such as struct inet_diag_req_v2   @param netlink socket of NETLINK.SOCK_DIAG
 * @throws SyscallError ENOENT the kernel lacks it (CONFIG_UNIX_DIAG ...). Man page: sock_diag(7)
 */
export function askSockets(netlink: Netlink, request: Uint8Array): Reply[] {
  for (let look = 1; ; look++) {
    const replies = netlink.ask(message(SOCK_DIAG_BY_FAMILY, NLM_F.REQUEST | NLM_F.DUMP, 1, request), 1)
    if (!isTorn(replies) || look === LOOKS) return replies
  }
}

/** Inode and facts of one answer. */
export function inetAnswer({ body }: Reply): [inode: bigint, DiagSocket] {
  const { idiag_state, idiag_rqueue, idiag_wqueue, idiag_inode } = decode(inetDiagMsg, body)
  const told = parseAttributes(body.subarray(inetDiagMsg.size))
  const shutdown = told.get(INET_DIAG_SHUTDOWN)?.[0] ?? 0
  const layer = parseAttributes(told.get(INET_DIAG_ULP_INFO) ?? new Uint8Array()).get(INET_ULP_INFO_NAME)
  const known = { state: idiag_state, received: idiag_rqueue, unsent: idiag_wqueue, shutdown }
  return [
    BigInt(idiag_inode),
    {
      ...known,
      ...(told.has(INET_DIAG_MD5SIG) ? { signed: true } : {}),
      ...(layer ? { layer: Buffer.from(layer).toString("latin1").replace(/\0.*$/, "") } : {}),
    },
  ]
}

/** All sockets of one table, as the kernel tells them; none where the kernel was built without it. */
export function askTable(netlink: Netlink, wanted: Wanted): Reply[] {
  try {
    return askSockets(netlink, inetQuestion(wanted))
  } catch (error) {
    if (error instanceof SyscallError && (error.errno === "ENOENT" || error.errno === "EINVAL")) return []
    throw error
  }
}

/**
 * Sockets of the internet by their inodes: one question for each family and protocol that is wanted, not one a socket.
 *
 * Precondition: they are in the network namespace that we are in. Kernel: net/ipv4/inet_diag.c
 */
export function findInetSockets(wanted: Iterable<Wanted>): ReadonlyMap<bigint, DiagSocket> {
  const tables = new Map<string, Wanted>()
  for (const one of wanted) if (isTabled(one)) tables.set(`${one.family}:${one.protocol}`, one)
  if (tables.size === 0) return new Map()
  using netlink = openNetlink(NETLINK.SOCK_DIAG)
  return new Map([...tables.values()].flatMap((one) => askTable(netlink, one)).map(inetAnswer))
}
