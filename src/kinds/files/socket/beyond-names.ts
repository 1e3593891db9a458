import { IP, IPV6, UDP, UDPLITE } from "../../../../ffi/abi/ip.ts"
import { PACKET, SOL_PACKET } from "../../../../ffi/abi/packet.ts"
import { AF, IPPROTO, SO, SOCK, SOL_SOCKET, TCP } from "../../../../ffi/abi/socket.ts"
import type { SocketKind } from "./ask.ts"

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

export const isTcp = ({ family, protocol }: SocketKind): boolean => (family === AF.INET || family === AF.INET6) && protocol === IPPROTO.TCP
export const isPacket = ({ family }: SocketKind): boolean => family === AF.PACKET
const isUnix = ({ family }: SocketKind): boolean => family === AF.UNIX
const isRaw = ({ type }: SocketKind): boolean => type === SOCK.RAW
const isSix = ({ family }: SocketKind): boolean => family === AF.INET6
/** Of a socket of IPv6 they are for its packets of IPv4. */
const isFour = (kind: SocketKind): boolean => kind.family === AF.INET || (isSix(kind) && !isRaw(kind))
const isUdpLite = ({ family, protocol }: SocketKind): boolean => (family === AF.INET || family === AF.INET6) && protocol === IPPROTO.UDPLITE
const isUdp = (kind: SocketKind): boolean =>
  isUdpLite(kind) || ((kind.family === AF.INET || isSix(kind)) && kind.type === SOCK.DGRAM && kind.protocol === IPPROTO.UDP)

/** Options that a program sets once and CRIU's images have no field for, in the order in which they are set again. */
export const LEVELS: readonly Level[] = [
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
