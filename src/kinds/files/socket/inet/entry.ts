import { IPPROTO, SOCK, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { inet_sk_entry } from "../../../../../proto/gen/sk-inet_pb.ts"
import type { Program, Result } from "../../../../tracee/program.ts"
import { deviceNumber } from "../device.ts"
import { addressText, bytesOfWords, isAny, sockaddrOf } from "./address.ts"

const NONE = 0xffffffff

/** A socket for people. */
export function inetText({ proto, type, src_addr, src_port, dst_addr, dst_port, state }: inet_sk_entry): string {
  const name =
    type === SOCK.RAW ? `raw socket of protocol ${proto}` : (Object.entries(IPPROTO).find(([, number]) => number === proto)?.[0] ?? proto)
  const local = addressText(bytesOfWords(src_addr), src_port)
  return `${name} ${local}${dst_port ? ` to ${addressText(bytesOfWords(dst_addr), dst_port)}` : state === TCP_STATE.LISTEN ? " listening" : ""}`
}

/** A connection of TCP, or one that was begun: its entry names a peer. */
export const isConnection = ({ proto, dst_port, state }: inet_sk_entry): boolean =>
  proto === IPPROTO.TCP && state !== TCP_STATE.LISTEN && dst_port !== 0

/** What bind(2) and connect(2) of a socket take. */
export const sockaddrIn = ({ family, ifname }: inet_sk_entry, bytes: Uint8Array, port: number): Uint8Array =>
  sockaddrOf(family, { bytes, port, scope: ifname === undefined ? 0 : (deviceNumber(ifname) ?? NONE) })

/** The port that a socket is bound to, 0 = its protocol has none, or any; undefined when it is not bound. */
export function boundPort({ type, src_addr, src_port }: inet_sk_entry): number | undefined {
  // The port of a raw socket is its protocol.
  const port = type === SOCK.RAW ? 0 : src_port
  return port === 0 && isAny(bytesOfWords(src_addr)) ? undefined : port
}

/** Appends bind(2) or connect(2). */
export function giveAddress(
  entry: inet_sk_entry,
  call: "bind" | "connect",
  words: readonly number[],
  port: number,
  program: Program,
  fd: Result,
): void {
  const sockaddr = sockaddrIn(entry, bytesOfWords(words), port)
  program.callWith({ about: inetText(entry) }, call, fd, program.bytes(sockaddr), sockaddr.length)
}
