import { sockFprog } from "../../../../ffi/abi/seccomp.ts"
import { SO, SOL_SOCKET } from "../../../../ffi/abi/socket.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { sk_opts_entry } from "../../../../proto/gen/sk-opts_pb.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import { askFilter, askNumber, askOption } from "./ask.ts"
import { sizeBuffer } from "./buffers.ts"

/** Bytes of an instruction; where the pointer to them is. */
const [INSTRUCTION, POINTER] = [8, sockFprog.fields.filter[0]]

/** Seconds and microseconds of a timeout. */
function timeOf(fd: number, name: number): [seconds: bigint, microseconds: bigint] {
  const bytes = askOption(fd, SOL_SOCKET, name, 16) ?? new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  return [view.getBigUint64(0, true), view.getBigUint64(8, true)]
}

/** A filter's instructions as sk_opts_entry has them: code, jt, jf and k from the upper bits down. */
function filterWords(filter: Uint8Array): bigint[] {
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength)
  return Array.from({ length: filter.length / INSTRUCTION }, (_, index) => {
    const at = index * INSTRUCTION
    const [code, jt, jf, k] = [view.getUint16(at, true), view.getUint8(at + 2), view.getUint8(at + 3), view.getUint32(at + 4, true)]
    return (BigInt(code) << 48n) | (BigInt(jt) << 40n) | (BigInt(jf) << 32n) | BigInt(k)
  })
}

/** Mirror: filterWords. */
function filterBytes(words: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(words.length * INSTRUCTION)
  const view = new DataView(bytes.buffer)
  for (const [index, word] of words.entries()) {
    const at = index * INSTRUCTION
    view.setUint16(at, Number(word >> 48n), true)
    view.setUint8(at + 2, Number((word >> 40n) & 0xffn))
    view.setUint8(at + 3, Number((word >> 32n) & 0xffn))
    view.setUint32(at + 4, Number(word & 0xffffffffn), true)
  }
  return bytes
}

/**
 * Options of SOL_SOCKET as the images want them, through a copy of the socket. Buffers as the kernel counts them. Mirror:
 * restoreSocketOptions
 */
export function collectSocketOptions(fd: number): sk_opts_entry {
  const number = (name: number): number => askNumber(fd, SOL_SOCKET, name) ?? 0
  const is = (name: number): boolean => number(name) !== 0
  const [sendSeconds, sendMicroseconds] = timeOf(fd, SO.SNDTIMEO)
  const [receiveSeconds, receiveMicroseconds] = timeOf(fd, SO.RCVTIMEO)
  const linger = new Int32Array((askOption(fd, SOL_SOCKET, SO.LINGER, 8) ?? new Uint8Array(8)).buffer)
  const device = Buffer.from(askOption(fd, SOL_SOCKET, SO.BINDTODEVICE, 16) ?? []).toString("latin1")
  const filter = askFilter(fd)
  const [mark, lock] = [number(SO.MARK), askNumber(fd, SOL_SOCKET, SO.BUF_LOCK)]
  return {
    so_sndbuf: number(SO.SNDBUF),
    so_rcvbuf: number(SO.RCVBUF),
    so_snd_tmo_sec: sendSeconds,
    so_snd_tmo_usec: sendMicroseconds,
    so_rcv_tmo_sec: receiveSeconds,
    so_rcv_tmo_usec: receiveMicroseconds,
    reuseaddr: is(SO.REUSEADDR),
    so_priority: number(SO.PRIORITY),
    so_rcvlowat: number(SO.RCVLOWAT),
    ...(mark === 0 ? {} : { so_mark: mark >>> 0 }),
    so_passcred: is(SO.PASSCRED),
    so_passsec: is(SO.PASSSEC),
    so_dontroute: is(SO.DONTROUTE),
    so_no_check: is(SO.NO_CHECK),
    ...(device === "" ? {} : { so_bound_dev: device.replace(/\0.*$/, "") }),
    so_filter: filter === "extended" ? [] : filterWords(filter),
    so_reuseport: is(SO.REUSEPORT),
    so_broadcast: is(SO.BROADCAST),
    so_keepalive: is(SO.KEEPALIVE),
    ...(is(SO.OOBINLINE) ? { so_oobinline: 1 } : {}),
    ...(linger[0] ? { so_linger: linger[1] ?? 0 } : {}),
    ...(lock ? { so_buf_lock: lock } : {}),
  }
}

/** Options of a socket that nobody has looked at. */
export const NO_OPTIONS: sk_opts_entry = {
  so_sndbuf: 0,
  so_rcvbuf: 0,
  so_snd_tmo_sec: 0n,
  so_snd_tmo_usec: 0n,
  so_rcv_tmo_sec: 0n,
  so_rcv_tmo_usec: 0n,
  so_filter: [],
}

/** Appends one option of a socket. */
export function setOption(program: Program, fd: Argument, level: number, name: number, value: Uint8Array | number, about: string): void {
  const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value
  program.callWith({ about }, "setsockopt", fd, level, name, program.bytes(bytes), bytes.length)
}

/**
 * Appends the options of SOL_SOCKET, all but `reuseaddr`, which belongs to whoever binds, and the buffers: `restoreBuffers`.
 * Those of a new socket are left as they are. Mirror: collectSocketOptions
 */
export function restoreSocketOptions(opts: sk_opts_entry, program: Program, fd: Argument, about: string): void {
  const set = (name: number, value: Uint8Array | number): void =>
    setOption(program, fd, SOL_SOCKET, name, value, `option ${name} of ${about}`)
  const time = (name: number, seconds: bigint, microseconds: bigint): void => {
    if (seconds || microseconds) set(name, new Uint8Array(BigUint64Array.of(seconds, microseconds).buffer))
  }
  if (opts.so_bound_dev) set(SO.BINDTODEVICE, Buffer.from(`${opts.so_bound_dev}\0`))
  if (opts.so_reuseport) set(SO.REUSEPORT, 1)
  if (opts.so_priority) set(SO.PRIORITY, opts.so_priority)
  if ((opts.so_rcvlowat ?? 1) !== 1) set(SO.RCVLOWAT, opts.so_rcvlowat ?? 1)
  if (opts.so_mark) set(SO.MARK, opts.so_mark)
  time(SO.SNDTIMEO, opts.so_snd_tmo_sec, opts.so_snd_tmo_usec)
  time(SO.RCVTIMEO, opts.so_rcv_tmo_sec, opts.so_rcv_tmo_usec)
  const flags = [
    [SO.PASSCRED, opts.so_passcred],
    [SO.PASSSEC, opts.so_passsec],
    [SO.DONTROUTE, opts.so_dontroute],
    [SO.NO_CHECK, opts.so_no_check],
    [SO.BROADCAST, opts.so_broadcast],
    [SO.KEEPALIVE, opts.so_keepalive],
    [SO.OOBINLINE, opts.so_oobinline],
  ] as const
  for (const [name, value] of flags) if (value) set(name, 1)
  if (opts.so_linger !== undefined) set(SO.LINGER, new Uint8Array(Int32Array.of(1, opts.so_linger).buffer))
  if (opts.so_filter.length > 0) {
    const head = program.bytes(encode(sockFprog, { len: opts.so_filter.length }))
    program.point(head, POINTER, program.bytes(filterBytes(opts.so_filter)))
    program.callWith({ about: `the filter of ${about}` }, "setsockopt", fd, SOL_SOCKET, SO.ATTACH_FILTER, head, sockFprog.size)
  }
}

/** Appends the sizes of the buffers: what CAP_NET_ADMIN alone could have is cut, with a warning. */
export function restoreBuffers({ so_sndbuf, so_rcvbuf, so_buf_lock }: sk_opts_entry, program: Program, fd: Argument, about: string): void {
  for (const [which, bytes] of [["send", so_sndbuf] as const, ["receive", so_rcvbuf] as const]) {
    const buffer = `the ${which} buffer of ${about}`
    sizeBuffer(which, Math.floor(bytes / 2), program, fd, buffer, buffer)
  }
  // Since Linux 5.14; images without it are of older kernels, or say that the sizes follow the traffic.
  const value = program.bytes(new Uint8Array(Int32Array.of(so_buf_lock ?? 0).buffer))
  program.callWith({ about, expects: "ENOPROTOOPT" }, "setsockopt", fd, SOL_SOCKET, SO.BUF_LOCK, value, 4)
}
