import { PACKET, SOL_PACKET } from "../../../../ffi/abi/packet.ts"
import { AF, IP, IPPROTO, IPV6, SO, SOCK, SOL_SOCKET, TCP } from "../../../../ffi/abi/socket.ts"
import { attempt, isFailure, syscall } from "../../../../ffi/syscall.ts"
import type { stasis_socket_option } from "../../../../proto/gen/stasis_pb.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import { askOption, type SocketKind } from "./ask.ts"
import { setOption } from "./options.ts"

/** Options of one level. */
interface Level {
  readonly level: number
  readonly names: readonly number[]
  readonly belongs: (kind: SocketKind) => boolean
}

const isTcp = ({ protocol }: SocketKind): boolean => protocol === IPPROTO.TCP
const isPacket = ({ family }: SocketKind): boolean => family === AF.PACKET
const isUnix = ({ family }: SocketKind): boolean => family === AF.UNIX
const isInternet = ({ family }: SocketKind): boolean => family === AF.INET || family === AF.INET6

/** Options that a program sets once and CRIU's images have no field for, in the order in which they are set again. */
const LEVELS: readonly Level[] = [
  {
    level: SOL_SOCKET,
    names: [
      SO.TIMESTAMP,
      SO.TIMESTAMPNS,
      SO.RXQ_OVFL,
      SO.PEEK_OFF,
      SO.SELECT_ERR_QUEUE,
      SO.BUSY_POLL,
      SO.MAX_PACING_RATE,
      SO.ZEROCOPY,
      SO.PREFER_BUSY_POLL,
      SO.TXREHASH,
      SO.LOCK_FILTER,
    ],
    belongs: (kind) => !isUnix(kind),
  },
  { level: SOL_SOCKET, names: [SO.PASSPIDFD, SO.PASSRIGHTS], belongs: isUnix },
  {
    level: IPPROTO.IP,
    names: [
      IP.MTU_DISCOVER,
      IP.RECVERR,
      IP.RECVTTL,
      IP.RECVTOS,
      IP.TRANSPARENT,
      IP.RECVORIGDSTADDR,
      IP.MINTTL,
      IP.CHECKSUM,
      IP.BIND_ADDRESS_NO_PORT,
      IP.RECVFRAGSIZE,
      IP.UNICAST_IF,
    ],
    belongs: ({ family, type }) => family === AF.INET || (family === AF.INET6 && type !== SOCK.RAW),
  },
  {
    level: IPPROTO.IPV6,
    names: [
      IPV6.UNICAST_HOPS,
      IPV6.MTU_DISCOVER,
      IPV6.RECVERR,
      IPV6.RECVHOPLIMIT,
      IPV6.DONTFRAG,
      IPV6.RECVTCLASS,
      IPV6.TCLASS,
      IPV6.AUTOFLOWLABEL,
      IPV6.MINHOPCOUNT,
      IPV6.RECVORIGDSTADDR,
      IPV6.TRANSPARENT,
    ],
    belongs: ({ family }) => family === AF.INET6,
  },
  {
    level: IPPROTO.IP,
    names: [IP.MULTICAST_IF, IP.MULTICAST_TTL, IP.MULTICAST_LOOP, IP.MULTICAST_ALL],
    belongs: ({ family, type }) => family === AF.INET && type !== SOCK.STREAM,
  },
  {
    level: IPPROTO.IPV6,
    names: [IPV6.MULTICAST_HOPS, IPV6.MULTICAST_LOOP, IPV6.MULTICAST_ALL],
    belongs: ({ family, type }) => family === AF.INET6 && type !== SOCK.STREAM,
  },
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
    ],
    belongs: isTcp,
  },
  {
    level: SOL_PACKET,
    names: [PACKET.VNET_HDR_SZ, PACKET.TX_HAS_OFF, PACKET.QDISC_BYPASS, PACKET.IGNORE_OUTGOING],
    belongs: isPacket,
  },
]

/** Longest value, bytes: the name of a congestion control. */
const ROOM = 16

const read = (fd: number, kind: SocketKind): Map<string, stasis_socket_option> =>
  new Map(
    LEVELS.filter(({ belongs }) => belongs(kind)).flatMap(({ level, names }) =>
      names.flatMap((name) => {
        const value = askOption(fd, level, name, ROOM)
        return value ? [[`${level}:${name}`, { level, name, value }] as const] : []
      }),
    ),
  )

const defaults = new Map<string, ReadonlyMap<string, stasis_socket_option>>()

/** Options of a new socket of a kind; none when we may not make one. */
function defaultsOf(kind: SocketKind): ReadonlyMap<string, stasis_socket_option> | undefined {
  const { family, type } = kind
  // A packet socket without a protocol hears nothing.
  const protocol = isPacket(kind) ? 0 : kind.protocol
  const key = `${family}:${type}:${protocol}`
  const known = defaults.get(key)
  if (known) return known
  const fd = attempt("socket", family, type | SOCK.CLOEXEC, protocol)
  if (isFailure(fd)) return undefined
  try {
    const found = read(fd, kind)
    defaults.set(key, found)
    return found
  } finally {
    syscall("close", fd)
  }
}

/** Options that CRIU's images have no field for, those that differ from a new socket's. Mirror: restoreBeyond */
export function collectBeyond(fd: number, kind: SocketKind): stasis_socket_option[] {
  const usual = isInternet(kind) || isPacket(kind) || isUnix(kind) ? defaultsOf(kind) : undefined
  if (!usual) return []
  return [...read(fd, kind)].flatMap(([key, option]) => {
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
