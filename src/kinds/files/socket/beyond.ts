import { IP, IPV6, SOF_TIMESTAMPING, UDP, UDPLITE } from "../../../../ffi/abi/ip.ts"
import { PACKET, SOL_PACKET } from "../../../../ffi/abi/packet.ts"
import { AF, IPPROTO, SO, SOCK, SOL_SOCKET, TCP } from "../../../../ffi/abi/socket.ts"
import { attempt, isFailure, syscall } from "../../../../ffi/syscall.ts"
import type { stasis_socket_option } from "../../../../proto/gen/stasis_pb.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import { askOption, type SocketKind } from "./ask.ts"
import { setOption } from "./options.ts"

/** What a socket is, and whether it is one of TCP that never had a connection, which makes values of its own. */
export interface Subject extends SocketKind {
  readonly isFresh?: boolean
}

/** Options of one level. */
interface Level {
  readonly level: number
  readonly names: readonly number[]
  readonly belongs: (subject: Subject) => boolean
}

const isTcp = ({ family, protocol }: SocketKind): boolean => (family === AF.INET || family === AF.INET6) && protocol === IPPROTO.TCP
const isPacket = ({ family }: SocketKind): boolean => family === AF.PACKET
const isUnix = ({ family }: SocketKind): boolean => family === AF.UNIX
const isRaw = ({ type }: SocketKind): boolean => type === SOCK.RAW
const isSix = ({ family }: SocketKind): boolean => family === AF.INET6
/** Of a socket of IPv6 they are for its packets of IPv4. */
const isFour = (kind: SocketKind): boolean => kind.family === AF.INET || (isSix(kind) && !isRaw(kind))
const isUdpLite = ({ family, protocol }: SocketKind): boolean => (family === AF.INET || family === AF.INET6) && protocol === IPPROTO.UDPLITE
const isUdp = (kind: SocketKind): boolean =>
  isUdpLite(kind) || ((kind.family === AF.INET || isSix(kind)) && kind.type === SOCK.DGRAM && kind.protocol === IPPROTO.UDP)

/** Options that a program sets once and CRIU's images have no field for, in the order in which they are set again. */
const LEVELS: readonly Level[] = [
  // Those with 64 bits of time last: what comes before makes it 32.
  {
    level: SOL_SOCKET,
    names: [
      SO.DEBUG,
      SO.TIMESTAMP,
      SO.TIMESTAMPNS,
      SO.TIMESTAMP_NEW,
      SO.TIMESTAMPNS_NEW,
      SO.TIMESTAMPING,
      SO.TIMESTAMPING_NEW,
      SO.RXQ_OVFL,
      SO.WIFI_STATUS,
      SO.NOFCS,
      SO.SELECT_ERR_QUEUE,
      SO.BUSY_POLL,
      SO.MAX_PACING_RATE,
      SO.ZEROCOPY,
      SO.TXTIME,
      SO.PREFER_BUSY_POLL,
      SO.TXREHASH,
      SO.RCVMARK,
      SO.RCVPRIORITY,
      SO.LOCK_FILTER,
    ],
    belongs: () => true,
  },
  { level: SOL_SOCKET, names: [SO.PEEK_OFF], belongs: (kind) => !isUnix(kind) },
  { level: SOL_SOCKET, names: [SO.PASSPIDFD, SO.PASSRIGHTS], belongs: isUnix },
  { level: SOL_SOCKET, names: [SO.INCOMING_CPU], belongs: ({ isFresh }) => isFresh === true },
  {
    level: IPPROTO.IP,
    names: [
      IP.OPTIONS,
      IP.RECVOPTS,
      IP.RETOPTS,
      IP.PKTINFO,
      IP.MTU_DISCOVER,
      IP.RECVERR,
      IP.RECVTTL,
      IP.RECVTOS,
      IP.PASSSEC,
      IP.TRANSPARENT,
      IP.RECVORIGDSTADDR,
      IP.MINTTL,
      IP.CHECKSUM,
      IP.BIND_ADDRESS_NO_PORT,
      IP.RECVFRAGSIZE,
      IP.RECVERR_RFC4884,
      IP.MULTICAST_LOOP,
      IP.MULTICAST_ALL,
      IP.UNICAST_IF,
      IP.LOCAL_PORT_RANGE,
    ],
    belongs: isFour,
  },
  { level: IPPROTO.IP, names: [IP.HDRINCL, IP.ROUTER_ALERT], belongs: (kind) => isRaw(kind) && kind.family === AF.INET },
  {
    level: IPPROTO.IPV6,
    names: [
      IPV6.PKTINFO_2292,
      IPV6.HOPOPTS_2292,
      IPV6.DSTOPTS_2292,
      IPV6.RTHDR_2292,
      IPV6.HOPLIMIT_2292,
      IPV6.FLOWINFO,
      IPV6.UNICAST_HOPS,
      IPV6.MULTICAST_LOOP,
      IPV6.MTU_DISCOVER,
      IPV6.RECVERR,
      IPV6.MULTICAST_ALL,
      IPV6.ROUTER_ALERT_ISOLATE,
      IPV6.RECVERR_RFC4884,
      IPV6.FLOWINFO_SEND,
      IPV6.RECVHOPLIMIT,
      IPV6.RECVHOPOPTS,
      IPV6.HOPOPTS,
      IPV6.RTHDRDSTOPTS,
      IPV6.RECVRTHDR,
      IPV6.RTHDR,
      IPV6.RECVDSTOPTS,
      IPV6.DSTOPTS,
      IPV6.RECVPATHMTU,
      IPV6.DONTFRAG,
      IPV6.RECVTCLASS,
      IPV6.TCLASS,
      IPV6.AUTOFLOWLABEL,
      IPV6.ADDR_PREFERENCES,
      IPV6.MINHOPCOUNT,
      IPV6.RECVORIGDSTADDR,
      IPV6.TRANSPARENT,
      IPV6.UNICAST_IF,
      IPV6.RECVFRAGSIZE,
    ],
    belongs: isSix,
  },
  // Where its sum stands; ICMPv6 takes it by this level alone.
  { level: IPPROTO.RAW, names: [IPV6.CHECKSUM], belongs: (kind) => isSix(kind) && isRaw(kind) },
  { level: IPPROTO.IP, names: [IP.MULTICAST_IF, IP.MULTICAST_TTL], belongs: (kind) => isFour(kind) && kind.type !== SOCK.STREAM },
  { level: IPPROTO.IPV6, names: [IPV6.MULTICAST_HOPS], belongs: (kind) => isSix(kind) && kind.type !== SOCK.STREAM },
  {
    level: IPPROTO.TCP,
    names: [
      TCP.CONGESTION,
      TCP.SYNCNT,
      TCP.LINGER2,
      TCP.DEFER_ACCEPT,
      TCP.THIN_LINEAR_TIMEOUTS,
      TCP.USER_TIMEOUT,
      TCP.NOTSENT_LOWAT,
      TCP.SAVE_SYN,
      TCP.FASTOPEN,
      TCP.FASTOPEN_CONNECT,
      TCP.FASTOPEN_NO_COOKIE,
      TCP.INQ,
      TCP.TX_DELAY,
      TCP.RTO_MAX_MS,
      TCP.RTO_MIN_US,
      TCP.DELACK_MAX_US,
    ],
    belongs: isTcp,
  },
  { level: IPPROTO.TCP, names: [TCP.MAXSEG, TCP.WINDOW_CLAMP, TCP.QUICKACK], belongs: ({ isFresh }) => isFresh === true },
  {
    level: IPPROTO.UDP,
    names: [UDP.CORK, UDP.ENCAP, UDP.NO_CHECK6_TX, UDP.NO_CHECK6_RX, UDP.SEGMENT, UDP.GRO],
    belongs: isUdp,
  },
  { level: IPPROTO.UDPLITE, names: [UDPLITE.SEND_CSCOV, UDPLITE.RECV_CSCOV], belongs: isUdpLite },
  {
    level: SOL_PACKET,
    names: [PACKET.VNET_HDR_SZ, PACKET.TX_HAS_OFF, PACKET.QDISC_BYPASS, PACKET.IGNORE_OUTGOING],
    belongs: isPacket,
  },
]

/** Longest value, bytes: headers of IPv6 that are sent with each packet. */
const ROOM = 2048
/** What a segment may be told to have at most, and what a new socket says. Kernel: net/ipv4/tcp.c tcp_sock_set_maxseg() */
const [MAXSEG_LEAST, MAXSEG_MOST, MAXSEG_NEW] = [88, 32767, 536]
/** Where struct tcp_info has what segments have now; 0 when listening. Header: include/uapi/linux/tcp.h tcpi_snd_mss */
const [SEGMENT_AT, SEGMENT_END] = [16, 20]

const numberOf = (value: Uint8Array): number => (value.length < 4 ? 0 : new DataView(value.buffer, value.byteOffset).getInt32(0, true))

/** What a socket can be told: TCP numbers what is sent in connections only, and where no limit of segments was set it tells their size. */
function settable(fd: number, { level, name, value }: stasis_socket_option, subject: Subject): stasis_socket_option | undefined {
  const isStamping = level === SOL_SOCKET && (name === SO.TIMESTAMPING || name === SO.TIMESTAMPING_NEW)
  if (isStamping && isTcp(subject)) {
    const cut = value.slice()
    new DataView(cut.buffer).setInt32(0, numberOf(value) & ~(SOF_TIMESTAMPING.OPT_ID | SOF_TIMESTAMPING.OPT_ID_TCP), true)
    return { level, name, value: cut }
  }
  if (level !== IPPROTO.TCP || name !== TCP.MAXSEG) return { level, name, value }
  const bytes = numberOf(value)
  const now = numberOf(askOption(fd, IPPROTO.TCP, TCP.INFO, SEGMENT_END)?.slice(SEGMENT_AT) ?? new Uint8Array(0))
  return bytes >= MAXSEG_LEAST && bytes <= MAXSEG_MOST && bytes !== (now || MAXSEG_NEW) ? { level, name, value } : undefined
}

const read = (fd: number, subject: Subject): Map<string, stasis_socket_option> =>
  new Map(
    LEVELS.filter(({ belongs }) => belongs(subject)).flatMap(({ level, names }) =>
      names.flatMap((name) => {
        const value = askOption(fd, level, name, ROOM)
        const option = value && settable(fd, { level, name, value }, subject)
        return option ? [[`${level}:${name}`, option] as const] : []
      }),
    ),
  )

const defaults = new Map<string, ReadonlyMap<string, stasis_socket_option>>()

/** Options of a new socket of a kind; none when we may not make one. */
function defaultsOf(subject: Subject): ReadonlyMap<string, stasis_socket_option> | undefined {
  const { family, type } = subject
  // A packet socket without a protocol hears nothing.
  const protocol = isPacket(subject) ? 0 : subject.protocol
  const key = `${family}:${type}:${protocol}:${subject.isFresh}`
  const known = defaults.get(key)
  if (known) return known
  const fd = attempt("socket", family, type | SOCK.CLOEXEC, protocol)
  if (isFailure(fd)) return undefined
  try {
    const found = read(fd, subject)
    defaults.set(key, found)
    return found
  } finally {
    syscall("close", fd)
  }
}

/** Options that CRIU's images have no field for, those that differ from a new socket's. Mirror: restoreBeyond */
export function collectBeyond(fd: number, subject: Subject): stasis_socket_option[] {
  const usual = defaultsOf(subject)
  if (!usual) return []
  return [...read(fd, subject)].flatMap(([key, option]) => {
    const value = usual.get(key)?.value
    return value && Buffer.compare(value, option.value) === 0 ? [] : [option]
  })
}

/** Appends those options; only ones that `collectBeyond` knows, whatever an image says. */
export function restoreBeyond(options: readonly stasis_socket_option[], program: Program, fd: Argument, about: string): void {
  for (const { level, name, value } of options)
    if (LEVELS.some((one) => one.level === level && one.names.includes(name)))
      setOption(program, fd, level, name, value, `option ${level}:${name} of ${about}`)
}
