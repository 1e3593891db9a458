import { ICMP_FILTER, ICMPV6_FILTER, IP, IPV6 } from "../../../../../ffi/abi/ip.ts"
import { AF, IPPROTO, SHUT, SO, SOCK, SOL_SOCKET, TCP, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { inet_sk_entry } from "../../../../../proto/gen/sk-inet_pb.ts"
import { sk_shutdown } from "../../../../../proto/gen/sk-opts_pb.ts"
import type { Program, Result } from "../../../../tracee/program.ts"
import type { Restoring } from "../../restoring.ts"
import { restoreBeyond } from "../beyond.ts"
import { restoreBuffers, restoreSocketOptions, setOption } from "../options.ts"
import { bytesOfWords, isAny } from "./address.ts"
import { boundPort, giveAddress, inetText, isConnection } from "./entry.ts"
import { restoreMulticast } from "./multicast.ts"
import { restoreStream } from "./restore-stream.ts"

/** Appends options of IPv4 and IPv6. Mirror: collectIp of ./collect.ts */
function restoreIp(entry: inet_sk_entry, program: Program, fd: Result, about: string): void {
  const { family, type, proto, v6only, ip_opts: opts } = entry
  const isSix = family === AF.INET6
  const ip = (name: number, value: number | Uint8Array): void => setOption(program, fd, IPPROTO.IP, name, value, about)
  const ipv6 = (name: number, value: number | Uint8Array): void => setOption(program, fd, IPPROTO.IPV6, name, value, about)
  // Said either way: what a new socket has is a setting of the machine.
  if (isSix && v6only !== undefined && type !== SOCK.RAW) ipv6(IPV6.V6ONLY, v6only ? 1 : 0)
  if (opts?.freebind) isSix ? ipv6(IPV6.FREEBIND, 1) : ip(IP.FREEBIND, 1)
  if (opts?.pktinfo) isSix ? ipv6(IPV6.RECVPKTINFO, 1) : ip(IP.PKTINFO, 1)
  if (opts?.tos) {
    ip(IP.TOS, opts.tos)
    // Which has set the priority. Kernel: net/ipv4/ip_sockglue.c __ip_sock_set_tos()
    setOption(program, fd, SOL_SOCKET, SO.PRIORITY, entry.opts.so_priority ?? 0, about)
  }
  if (opts?.ttl) ip(IP.TTL, opts.ttl)
  const raw = opts?.raw
  if (!raw || type !== SOCK.RAW) return
  if (raw.hdrincl) isSix ? ipv6(IPV6.HDRINCL, 1) : ip(IP.HDRINCL, 1)
  if (raw.nodefrag) ip(IP.NODEFRAG, 1)
  // ICMPv6 sums itself up, and takes no other word for it.
  if (raw.checksum && proto !== IPPROTO.ICMPV6) ipv6(IPV6.CHECKSUM, 2)
  if (raw.icmpv_filter.length === 0) return
  const [level, name] = isSix ? [IPPROTO.ICMPV6, ICMPV6_FILTER] : [IPPROTO.RAW, ICMP_FILTER]
  setOption(program, fd, level, name, bytesOfWords(raw.icmpv_filter), `the filter of ${about}`)
}

/** Appends options of TCP; of older images from their older places. Mirror: collectTcp of ./collect.ts */
function restoreTcpOptions({ tcp_opts, opts }: inet_sk_entry, program: Program, fd: Result, about: string): void {
  const values = [
    [TCP.NODELAY, tcp_opts?.nodelay ? 1 : 0],
    [TCP.CORK, tcp_opts?.cork ? 1 : 0],
    [TCP.KEEPIDLE, tcp_opts?.keepidle ?? opts.tcp_keepidle],
    [TCP.KEEPINTVL, tcp_opts?.keepintvl ?? opts.tcp_keepintvl],
    [TCP.KEEPCNT, tcp_opts?.keepcnt ?? opts.tcp_keepcnt],
  ] as const
  for (const [name, value] of values) if (value) setOption(program, fd, IPPROTO.TCP, name, value, about)
}

/** Appends a socket with all its options, not yet bound. Whoever binds may, until `dropReuse`. */
function makeSocket(entry: inet_sk_entry, { program, extension }: Pick<Restoring, "program" | "extension">): Result {
  const { id, family, type, proto, opts } = entry
  const about = inetText(entry)
  const fd = program.callWith({ about }, "socket", family, type, proto)
  restoreSocketOptions(opts, program, fd, about)
  restoreIp(entry, program, fd, about)
  if (proto === IPPROTO.TCP) restoreTcpOptions(entry, program, fd, about)
  const { socket_options, multicast } = extension.get(id) ?? {}
  restoreBeyond(socket_options?.options ?? [], program, fd, about)
  if (multicast) restoreMulticast(multicast, program, fd, about)
  setOption(program, fd, SOL_SOCKET, SO.REUSEADDR, 1, about)
  return fd
}

/** Appends the end of one or both halves. A socket without a connection is said to have none, and is closed all the same. */
function shutHalves({ shutdown, proto, state }: inet_sk_entry, program: Program, fd: Result): void {
  if (!shutdown) return
  const how = shutdown === sk_shutdown.BOTH ? SHUT.RDWR : shutdown === sk_shutdown.READ ? SHUT.RD : SHUT.WR
  const unconnected = proto !== IPPROTO.TCP || state === TCP_STATE.CLOSE
  program.callWith(unconnected ? { expects: "ENOTCONN" } : {}, "shutdown", fd, how)
}

/**
 * An entry -> a socket of the internet appended to the program: bound, listening or connected. Mirror: ./collect.ts
 * Lost: datagrams that were queued in it.
 */
export function restoreInet(entry: inet_sk_entry, restoring: Restoring): Result {
  const { program, users, later } = restoring
  const { id, proto, state, src_addr, dst_addr, dst_port, backlog, opts } = entry
  const about = inetText(entry)
  const fd = makeSocket(entry, restoring)
  const stream = restoring.tcpStreams.get(entry.ino)
  if (stream && isConnection(entry)) {
    restoreStream(entry, stream, program, fd)
    return fd
  }
  restoreBuffers(opts, program, fd, about)
  const port = boundPort(entry)
  if (port !== undefined) giveAddress(entry, "bind", src_addr, port, program, fd)
  if (proto === IPPROTO.TCP && state === TCP_STATE.LISTEN) program.callWith({ about }, "listen", fd, backlog)
  const isPeered = proto !== IPPROTO.TCP && (dst_port !== 0 || !isAny(bytesOfWords(dst_addr)))
  if (isPeered) giveAddress(entry, "connect", dst_addr, dst_port, program, fd)
  shutHalves(entry, program, fd)
  const number = users.get(id)?.[0]?.fd
  if (number === undefined) throw new Error(`Unreachable: socket ${id} is restored without a descriptor`)
  // When every socket of the port is there.
  if (!opts.reuseaddr) later(() => dropReuse(number, program, about))
  return fd
}

function dropReuse(fd: number, program: Program, about: string): void {
  const value = program.bytes(new Uint8Array(4))
  program.callWith({ about }, "setsockopt", fd, SOL_SOCKET, SO.REUSEADDR, value, 4)
}
