import { AF, IPPROTO, SOCK, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { Found, Reason, Surveying } from "../../collecting.ts"
import type { SocketKind } from "../ask.ts"

/** A socket of IPv4 or IPv6, whatever its protocol. */
export const isInet = ({ socket }: Found): boolean => socket?.family === AF.INET || socket?.family === AF.INET6

/** States without a connection. */
const UNCONNECTED: ReadonlySet<number> = new Set([TCP_STATE.CLOSE, TCP_STATE.LISTEN])
/** The kernel's own name for a socket that is bound and nothing else. Since Linux 6.8. Header: include/net/tcp_states.h */
const BOUND_INACTIVE = 13

const isKept = ({ type, protocol }: SocketKind): boolean =>
  type === SOCK.RAW ||
  (type === SOCK.STREAM && protocol === IPPROTO.TCP) ||
  (type === SOCK.DGRAM && [IPPROTO.UDP, IPPROTO.UDPLITE, IPPROTO.ICMP, IPPROTO.ICMPV6].some((one) => one === protocol))

/** True for a state that belongs to a connection, begun or ended. */
export const isConnected = (state: number): boolean => !UNCONNECTED.has(state) && state !== BOUND_INACTIVE

/** Connections that have no descriptor: nothing could be read of them. */
export const notAccepted = (waiting: number, target: string): Reason => ({
  what: `a listening socket with ${waiting} connections that nobody has accepted yet ("${target}")`,
  remedy: "Use --skip-in-flight (they are lost then), or dump when the program has accepted them",
})

/** Repair mode is the socket's, whoever has it: it would stop the other one too, and the connection is the other's after the dump. */
const connectionOf = (holder: number, target: string): Reason => ({
  what: `a TCP connection that task ${holder}, which is outside, has open too ("${target}")`,
  remedy: "Dump the tree that has both, let one of them close it, or use --tcp-close",
})

/** A restored one must stay at hand until it leaves repair mode, when no process of the tree has it. */
const inFlight = (target: string): Reason => ({
  what: `a TCP connection that no process has open ("${target}")`,
  remedy: "Let the program receive it, then dump again, or use --tcp-close",
})

/** Without its keys it would take segments that nobody has signed. */
const signedOf = (target: string): Reason => ({
  what: `a TCP socket with keys that sign its segments, TCP_MD5SIG ("${target}")`,
  remedy: "Let the program remove its keys or close the socket before the dump",
})

/** The program writes plain text, which would be sent as it is. */
const layeredOf = (layer: string, target: string): Reason => ({
  what: `a TCP connection whose stream the kernel handles by "${layer}" (TCP_ULP, "${target}")`,
  remedy: "Let the program do that by itself (TLS without kTLS), or use --tcp-close",
})

/** What of a socket of the internet cannot be kept, or only with an option. */
export function refuseInet(
  { pid, socket, target, stat }: Found,
  {
    inetSockets,
    tcpEstablished,
    tcpClose,
    skipInFlight,
    socketHolder,
  }: Pick<Surveying, "inetSockets" | "tcpEstablished" | "tcpClose" | "skipInFlight" | "socketHolder">,
): Reason | undefined {
  if (!socket) return undefined
  if (socket.protocol === IPPROTO.MPTCP)
    return {
      what: `a socket of MPTCP ("${target}")`,
      remedy: "Start the program without MPTCP (GODEBUG=multipathtcp=0, no mptcpize), so that it uses TCP",
    }
  if (!isKept(socket))
    return { what: `a socket of protocol ${socket.protocol} ("${target}")`, remedy: "Let the program close it before the dump" }
  const found = socket.protocol === IPPROTO.TCP ? inetSockets.get(stat.ino) : undefined
  if (!found) return undefined
  if (found.signed) return signedOf(target)
  if (found.state === TCP_STATE.LISTEN && found.received > 0 && !skipInFlight && !tcpClose) return notAccepted(found.received, target)
  if (!isConnected(found.state) || tcpClose) return undefined
  if (found.state === TCP_STATE.SYN_SENT)
    return { what: `a TCP connection that is just being made ("${target}")`, remedy: "Dump again when it stands, or use --tcp-close" }
  if (found.layer !== undefined) return layeredOf(found.layer, target)
  const holder = tcpEstablished ? socketHolder(stat.ino) : undefined
  if (holder !== undefined) return connectionOf(holder, target)
  if (tcpEstablished) return pid === process.pid ? inFlight(target) : undefined
  return {
    what: `a TCP connection ("${target}")`,
    remedy: "Use --tcp-established to keep it, or --tcp-close to have it closed at the restore",
  }
}
