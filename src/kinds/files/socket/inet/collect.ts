import { ICMP_FILTER, ICMPV6_FILTER, IP, IPV6 } from "../../../../../ffi/abi/ip.ts"
import { AF, IPPROTO, SOCK, TCP, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { inet_sk_entry, ip_opts_entry } from "../../../../../proto/gen/sk-inet_pb.ts"
import type { tcp_opts_entry } from "../../../../../proto/gen/tcp-stream_pb.ts"
import type { Collecting, OpenFile } from "../../collecting.ts"
import { askAddress, askNumber, askOption, type SocketKind } from "../ask.ts"
import { collectBeyond } from "../beyond.ts"
import { deviceName } from "../device.ts"
import { collectSocketOptions } from "../options.ts"
import { addressLength, parseAddress, wordsOf } from "./address.ts"
import { closedHalves } from "./closed.ts"
import { lossesOf } from "./losses.ts"
import { collectMulticast } from "./multicast.ts"
import { isConnected } from "./survey.ts"
import { askTcp } from "./tcp-info.ts"
import { hasUntoldError, refuseRest, refuseUrgent } from "./unread.ts"

/** Only what is set: the images leave out the rest. */
const setOnly = <T extends object>(entry: T): T => Object.fromEntries(Object.entries(entry).filter(([, value]) => value)) as T

function collectRaw(fd: number, { family, protocol }: SocketKind): ip_opts_entry["raw"] {
  const isSix = family === AF.INET6
  const is = (level: number, name: number): boolean => (askNumber(fd, level, name) ?? 0) !== 0
  const filter = isSix
    ? protocol === IPPROTO.ICMPV6 && askOption(fd, IPPROTO.ICMPV6, ICMPV6_FILTER, 32)
    : protocol === IPPROTO.ICMP && askOption(fd, IPPROTO.RAW, ICMP_FILTER, 4)
  return {
    ...setOnly({
      hdrincl: isSix ? is(IPPROTO.IPV6, IPV6.HDRINCL) : is(IPPROTO.IP, IP.HDRINCL),
      nodefrag: !isSix && is(IPPROTO.IP, IP.NODEFRAG),
      checksum: isSix && (askNumber(fd, IPPROTO.IPV6, IPV6.CHECKSUM) ?? -1) !== -1,
    }),
    icmpv_filter: filter ? wordsOf(filter) : [],
  }
}

/** Options of IPv4 and IPv6. Mirror: restoreIp of ./restore.ts */
function collectIp(fd: number, kind: SocketKind): ip_opts_entry {
  const isSix = kind.family === AF.INET6
  const number = (level: number, name: number): number => askNumber(fd, level, name) ?? 0
  const raw = kind.type === SOCK.RAW ? collectRaw(fd, kind) : undefined
  return {
    ...setOnly({
      freebind: number(isSix ? IPPROTO.IPV6 : IPPROTO.IP, isSix ? IPV6.FREEBIND : IP.FREEBIND) !== 0,
      pktinfo: number(isSix ? IPPROTO.IPV6 : IPPROTO.IP, isSix ? IPV6.RECVPKTINFO : IP.PKTINFO) !== 0,
      // Of a socket of IPv6 they are for its packets of IPv4.
      tos: number(IPPROTO.IP, IP.TOS),
      ttl: isSix && kind.type === SOCK.RAW ? 0 : number(IPPROTO.IP, IP.TTL),
    }),
    ...(raw ? { raw } : {}),
  }
}

/** Options of TCP that CRIU keeps. Mirror: restoreTcpOptions of ./restore.ts */
function collectTcp(fd: number): tcp_opts_entry {
  const number = (name: number): number => askNumber(fd, IPPROTO.TCP, name) ?? 0
  return setOnly({
    cork: number(TCP.CORK) !== 0,
    nodelay: number(TCP.NODELAY) !== 0,
    keepcnt: number(TCP.KEEPCNT),
    keepidle: number(TCP.KEEPIDLE),
    keepintvl: number(TCP.KEEPINTVL),
  })
}

/** Everything of a socket but what is in its queues. @param fd a copy of it */
function collectFacts(fd: number, kind: SocketKind): Omit<inet_sk_entry, "id" | "ino" | "flags" | "fown" | "shutdown"> {
  const { family, type, protocol } = kind
  const local = parseAddress(askAddress(fd, "getsockname") ?? new Uint8Array(0))
  const remote = askAddress(fd, "getpeername")
  const peer = remote && parseAddress(remote)
  const isTcp = protocol === IPPROTO.TCP
  const tcp = isTcp ? askTcp(fd) : undefined
  const state = tcp?.state ?? (peer ? TCP_STATE.ESTABLISHED : TCP_STATE.CLOSE)
  const none = new Uint8Array(addressLength(family))
  // A closed connection still tells a port that it has given back.
  const bound = state !== TCP_STATE.CLOSE || !isTcp || closedHalves(fd) === 0
  const scope = local.scope || peer?.scope
  const device = scope ? deviceName(scope) : undefined
  return {
    family,
    type,
    proto: protocol,
    state,
    src_port: bound ? local.port : 0,
    dst_port: peer?.port ?? 0,
    backlog: state === TCP_STATE.LISTEN ? (tcp?.backlog ?? 0) : 0,
    src_addr: wordsOf(bound ? local.bytes : none),
    dst_addr: wordsOf(peer?.bytes ?? none),
    opts: collectSocketOptions(fd),
    ...(family === AF.INET6 ? { v6only: (askNumber(fd, IPPROTO.IPV6, IPV6.V6ONLY) ?? 0) !== 0 } : {}),
    ip_opts: collectIp(fd, kind),
    ...(device === undefined ? {} : { ifname: device }),
    ...(isTcp ? { tcp_opts: collectTcp(fd) } : {}),
  }
}

/** A socket of the internet -> its entry; options without a field go to the extension. Mirror: ./restore.ts */
export function collectInet(
  { id, pid, fd, flags, owner, stat, socket }: OpenFile,
  {
    tcpClose,
    copies,
    extension,
    inetSockets,
    groups,
    losses,
    connections,
  }: Pick<Collecting, "tcpClose" | "copies" | "extension" | "inetSockets" | "groups" | "losses" | "connections">,
): inet_sk_entry {
  const table = inetSockets.get(stat.ino)
  const where = pid === process.pid ? "a socket that is in flight through another" : `task ${pid} fd ${fd}`
  const found = copies.lend(fd, (copy) => {
    if (!socket) throw new Error(`Unreachable: fd ${fd} is no socket`)
    const facts = collectFacts(copy, socket)
    const isTcp = socket.protocol === IPPROTO.TCP
    const closed = isTcp && facts.state === TCP_STATE.CLOSE ? closedHalves(copy) : undefined
    if (closed !== undefined && !tcpClose) refuseRest(copy, where)
    if (closed && !tcpClose && hasUntoldError(copy))
      losses.push(`the error that ended a TCP connection (${where}), of which the program was not told yet`)
    if (connections && table && isTcp && isConnected(table.state)) refuseUrgent(copy, table, where)
    const isFresh = isTcp && (facts.state === TCP_STATE.LISTEN || closed === 0)
    losses.push(...lossesOf(copy, socket, closed !== undefined && closed !== 0).map((what) => `${what} (${where})`))
    return {
      facts,
      closed,
      options: collectBeyond(copy, { ...socket, isFresh }),
      multicast: collectMulticast(copy, socket, { groups, losses }),
    }
  })
  if (!found) throw new Error(`Unreachable: fd ${fd} is open`)
  const { facts, options, closed, multicast } = found
  if (options.length > 0 || multicast)
    extension.push({ id, ...(options.length > 0 ? { socket_options: { options } } : {}), ...(multicast ? { multicast } : {}) })
  if (facts.proto !== IPPROTO.TCP && (table?.received ?? 0) > 0)
    losses.push(`datagrams that a socket had not read yet (fd ${fd}, ${table?.received} bytes of the kernel's)`)
  connections?.read(Number(stat.ino))
  const shutdown = closed ?? (facts.state === TCP_STATE.LISTEN ? 0 : (table?.shutdown ?? 0))
  return { id, ino: Number(stat.ino), flags, fown: owner, ...facts, ...(shutdown ? { shutdown } : {}) }
}
