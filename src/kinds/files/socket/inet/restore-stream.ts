import {
  AF,
  IPPROTO,
  MSG,
  SHUT,
  SO,
  SOCK,
  SOL_SOCKET,
  TCP,
  TCP_QUEUE,
  TCP_REPAIR,
  TCP_STATE,
  TCPI_OPT,
  TCPOPT,
  tcpRepairWindow,
} from "../../../../../ffi/abi/socket.ts"
import { encode } from "../../../../../ffi/layout.ts"
import type { inet_sk_entry } from "../../../../../proto/gen/sk-inet_pb.ts"
import { sk_shutdown } from "../../../../../proto/gen/sk-opts_pb.ts"
import type { Program, Result } from "../../../../tracee/program.ts"
import { restoreBuffers, setOption } from "../options.ts"
import { bytesOfWords, sockaddrOf } from "./address.ts"
import { plainAddress } from "./connections.ts"
import { giveAddress, inetText } from "./entry.ts"
import { makeSegment, TH } from "./packet.ts"
import { hasGotFin, hasSentFin, type Stream } from "./stream.ts"
import { type Ends, PASSING_MARK } from "./table.ts"

/** Bytes of one call: the kernel takes that much into a queue at once, whole. */
const CHUNK = 32 * 1024
/** Room of a queue beside its bytes, and the most that a buffer may have. */
const [SPARE, MOST] = [1 << 20, 0x3fffffff]
const RAW = IPPROTO.RAW

/** Ends of a connection as its own packets name them. */
export const endsOf = ({ src_addr, src_port, dst_addr, dst_port }: inet_sk_entry): Ends => ({
  source: plainAddress(bytesOfWords(src_addr)),
  sourcePort: src_port,
  target: plainAddress(bytesOfWords(dst_addr)),
  targetPort: dst_port,
})

/** Appends an empty segment of the peer's. */
function forge(entry: inet_sk_entry, { message }: Stream, flags: number, acknowledged: number, program: Program): void {
  const about = `a segment of the peer of ${inetText(entry)}`
  const { source, sourcePort, target, targetPort } = endsOf(entry)
  const from = { source: target, sourcePort: targetPort, target: source, targetPort: sourcePort }
  const sequence = message.inq_seq - (hasGotFin(entry.state) ? 1 : 0)
  const scale = message.opt_mask & TCPI_OPT.WSCALE ? message.snd_wscale : 0
  const window = Math.min(0xffff, (message.snd_wnd ?? 0) >>> scale)
  const packet = makeSegment(from, sequence, acknowledged, flags, window)
  const family = source.length === 16 ? AF.INET6 : AF.INET
  const fd = program.callWith({ about }, "socket", family, SOCK.RAW, RAW)
  setOption(program, fd, SOL_SOCKET, SO.MARK, PASSING_MARK, about)
  const to = sockaddrOf(family, { bytes: source, port: 0, scope: 0 })
  program.callWith({ about, returns: packet.length }, "sendto", fd, program.bytes(packet), packet.length, 0, program.bytes(to), to.length)
  program.call("close", fd)
}

/** Appends what was agreed when the connection was made. */
function restoreAgreement({ message }: Stream, program: Program, fd: Result, about: string): void {
  const { opt_mask, mss_clamp, snd_wscale, rcv_wscale, timestamp } = message
  const pairs = [
    ...(opt_mask & TCPI_OPT.SACK ? [TCPOPT.SACK_PERM, 0] : []),
    ...(opt_mask & TCPI_OPT.WSCALE ? [TCPOPT.WINDOW, snd_wscale | ((rcv_wscale ?? 0) << 16)] : []),
    ...(opt_mask & TCPI_OPT.TIMESTAMPS ? [TCPOPT.TIMESTAMP, 0] : []),
    ...[TCPOPT.MSS, mss_clamp],
  ]
  setOption(program, fd, IPPROTO.TCP, TCP.REPAIR_OPTIONS, new Uint8Array(Uint32Array.from(pairs).buffer), about)
  if (opt_mask & TCPI_OPT.TIMESTAMPS) setOption(program, fd, IPPROTO.TCP, TCP.TIMESTAMP, (timestamp ?? 0) | 0, about)
}

/** Appends bytes to the queue that is chosen. */
function fill(bytes: Uint8Array, program: Program, fd: Result, about: string): void {
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const part = bytes.subarray(at, at + CHUNK)
    const flags = MSG.DONTWAIT | MSG.NOSIGNAL
    program.callWith({ about, returns: part.length }, "sendto", fd, program.bytes(part), part.length, flags, 0, 0)
  }
}

/**
 * Appends the ends of both directions that were announced already, in the order in which they came. Ours may be acknowledged.
 */
function restoreEnds(entry: inet_sk_entry, stream: Stream, program: Program, fd: Result): void {
  const { state, shutdown } = entry
  const { outq_seq, outq_len } = stream.message
  const end = (): void => void program.callWith({ about: inetText(entry) }, "shutdown", fd, SHUT.WR)
  const first = outq_seq - outq_len - (hasSentFin(state) ? 1 : 0)
  const peerEnds = (): void => forge(entry, stream, TH.FIN | TH.ACK, first, program)
  if (state === TCP_STATE.LAST_ACK) peerEnds()
  if (hasSentFin(state)) end()
  if (state === TCP_STATE.FIN_WAIT2) forge(entry, stream, TH.ACK, outq_seq, program)
  if (state === TCP_STATE.CLOSE_WAIT || state === TCP_STATE.CLOSING) peerEnds()
  // A half that was shut down for reading is told to nobody.
  if (!hasGotFin(state) && ((shutdown ?? 0) & sk_shutdown.READ) !== 0) program.callWith({ about: inetText(entry) }, "shutdown", fd, SHUT.RD)
}

/**
 * Appends a connection to a socket that was just made: numbers, queues, window and ends. It stays in repair mode, in which nothing is sent
 * and a death is silent, until `release` of src/flow/connections.ts. Mirror: readStream of ./stream.ts
 *
 * Precondition: packets of the connection are held off; needs CAP_NET_ADMIN and CAP_NET_RAW. Kernel: net/ipv4/tcp.c do_tcp_setsockopt()
 */
export function restoreStream(entry: inet_sk_entry, stream: Stream, program: Program, fd: Result): void {
  const { state, src_addr, src_port, dst_addr, dst_port, opts } = entry
  const { message, payload } = stream
  const { inq_len, inq_seq, outq_len, outq_seq, unsq_len = 0 } = message
  const about = inetText(entry)
  const set = (name: number, value: number | Uint8Array): void => setOption(program, fd, IPPROTO.TCP, name, value, about)
  const choose = (queue: number): void => set(TCP.REPAIR_QUEUE, queue)
  const room = (name: number, bytes: number): void => setOption(program, fd, SOL_SOCKET, name, Math.min(MOST, 2 * bytes + SPARE), about)
  const gotFin = hasGotFin(state)
  set(TCP.REPAIR, TCP_REPAIR.ON)
  giveAddress(entry, "bind", src_addr, src_port, program, fd)
  choose(TCP_QUEUE.RECV)
  set(TCP.QUEUE_SEQ, (inq_seq - inq_len - (gotFin ? 1 : 0)) | 0)
  choose(TCP_QUEUE.SEND)
  set(TCP.QUEUE_SEQ, (outq_seq - outq_len - (hasSentFin(state) ? 1 : 0)) | 0)
  giveAddress(entry, "connect", dst_addr, dst_port, program, fd)
  restoreAgreement(stream, program, fd, about)
  room(SO.RCVBUFFORCE, inq_len)
  room(SO.SNDBUFFORCE, outq_len)
  choose(TCP_QUEUE.RECV)
  fill(payload.subarray(0, inq_len), program, fd, about)
  choose(TCP_QUEUE.SEND)
  fill(payload.subarray(inq_len, inq_len + outq_len - unsq_len), program, fd, about)
  if (message.snd_wnd !== undefined) {
    const { snd_wl1 = 0, snd_wnd, max_window = 0, rcv_wnd = 0, rcv_wup = 0 } = message
    // The number of the peer's end is not in the queue yet.
    const last = gotFin ? 1 : 0
    set(TCP.REPAIR_WINDOW, encode(tcpRepairWindow, { snd_wl1, snd_wnd, max_window, rcv_wnd: rcv_wnd + last, rcv_wup: rcv_wup - last }))
  }
  if (unsq_len > 0) {
    // Out of repair mode: what is sent in it would count as under way.
    set(TCP.REPAIR, TCP_REPAIR.OFF_NO_WP)
    fill(payload.subarray(inq_len + outq_len - unsq_len), program, fd, about)
  }
  restoreEnds(entry, stream, program, fd)
  if (unsq_len > 0) set(TCP.REPAIR, TCP_REPAIR.ON)
  restoreBuffers(opts, program, fd, about)
}
