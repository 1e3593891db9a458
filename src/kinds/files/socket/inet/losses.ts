import { IPV6, SOF_TIMESTAMPING, UDP } from "../../../../../ffi/abi/ip.ts"
import { AF, IPPROTO, SIOC, SO, SOCK, SOL_SOCKET } from "../../../../../ffi/abi/socket.ts"
import { askCount, askNumber, type SocketKind } from "../ask.ts"
import { hasUntoldError } from "./unread.ts"

/** What of a socket nothing can put back, for people. @param fd a copy   @param hasEnded its connection has: its error is told apart */
export function lossesOf(fd: number, { protocol, family, type }: SocketKind, hasEnded: boolean): string[] {
  const number = (level: number, name: number): number => askNumber(fd, level, name) ?? 0
  const isCorked = protocol === IPPROTO.UDP && number(IPPROTO.UDP, UDP.CORK) !== 0
  const isAlert = family === AF.INET6 && type === SOCK.RAW && number(IPPROTO.IPV6, IPV6.ROUTER_ALERT) !== 0
  return [
    ...(!hasEnded && hasUntoldError(fd) ? ["errors, or news of what was sent, that the program has not read yet"] : []),
    ...(isCorked && askCount(fd, SIOC.OUTQ) > 0 ? ["a datagram that is still put together (UDP_CORK)"] : []),
    ...(number(SOL_SOCKET, SO.TIMESTAMPING) & SOF_TIMESTAMPING.OPT_ID ? ["the number of the next SOF_TIMESTAMPING_OPT_ID"] : []),
    ...(number(SOL_SOCKET, SO.RESERVE_MEM) ? ["memory that a socket has reserved (SO_RESERVE_MEM)"] : []),
    ...(isAlert ? ["which packets with a router alert a socket gets (IPV6_ROUTER_ALERT)"] : []),
  ]
}
