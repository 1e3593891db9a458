import { linger, SO, SO_GET_FILTER, SOL_SOCKET, ucred } from "../../../ffi/abi/socket.ts"
import { type Decoded, decode, encode } from "../../../ffi/layout.ts"
import { allocate, attempt, isFailure } from "../../../ffi/syscall.ts"
import type { sk_opts_entry } from "../../../proto/gen/sk-opts_pb.ts"
import type { Argument, Program } from "../../tracee/program.ts"

const memory = allocate(8192)
const LENGTH = 4096
/** Bytes of an instruction of a socket filter, struct sock_filter. */
const INSTRUCTION = 8

/** An option's bytes; undefined where the socket has no such option. */
function ask(fd: number, option: number, room: number): Uint8Array | undefined {
  memory.view.setUint32(LENGTH, room, true)
  if (isFailure(attempt("getsockopt", fd, SOL_SOCKET, option, memory.address, memory.address + LENGTH))) return undefined
  return memory.bytes.subarray(0, memory.view.getUint32(LENGTH, true))
}

/** A number that a socket of ours has as an option; undefined where it has no such option. */
export const askOption = (fd: number, option: number): number | undefined =>
  ask(fd, option, 4) ? memory.view.getInt32(0, true) : undefined

/** Who made the peer of a unix socket, or listens; undefined for one that is not connected. Man page: unix(7), SO_PEERCRED */
export function askPeer(fd: number): Decoded<typeof ucred> | undefined {
  if (!ask(fd, SO.PEERCRED, ucred.size)) return undefined
  const peer = decode(ucred, memory.bytes)
  return peer.pid === 0 && peer.uid === NOBODY ? undefined : peer
}
/** -1, as the kernel tells IDs that there are none of. */
const NOBODY = 0xffffffff

const timeout = (fd: number, option: number): readonly [sec: bigint, usec: bigint] =>
  ask(fd, option, 16) ? [memory.view.getBigUint64(0, true), memory.view.getBigUint64(8, true)] : [0n, 0n]

function askFilter(fd: number): bigint[] {
  memory.view.setUint32(LENGTH, 0, true)
  attempt("getsockopt", fd, SOL_SOCKET, SO_GET_FILTER, memory.address, memory.address + LENGTH)
  const count = memory.view.getUint32(LENGTH, true)
  if (count === 0 || count * INSTRUCTION > LENGTH) return []
  memory.view.setUint32(LENGTH, count, true)
  attempt("getsockopt", fd, SOL_SOCKET, SO_GET_FILTER, memory.address, memory.address + LENGTH)
  return Array.from({ length: count }, (_, at) => {
    const [word, k] = [at * INSTRUCTION, memory.view.getUint32(at * INSTRUCTION + 4, true)]
    const [code, jt, jf] = [memory.view.getUint16(word, true), memory.bytes[word + 2] ?? 0, memory.bytes[word + 3] ?? 0]
    return (BigInt(code) << 48n) | (BigInt(jt) << 40n) | (BigInt(jf) << 32n) | BigInt(k)
  })
}

/** Options that are on or off, by their fields. */
const SWITCHES = [
  ["reuseaddr", SO.REUSEADDR],
  ["so_passcred", SO.PASSCRED],
  ["so_passsec", SO.PASSSEC],
  ["so_dontroute", SO.DONTROUTE],
  ["so_no_check", SO.NO_CHECK],
  ["so_reuseport", SO.REUSEPORT],
  ["so_broadcast", SO.BROADCAST],
  ["so_keepalive", SO.KEEPALIVE],
] as const

/** Options of SOL_SOCKET of a socket of ours, or a copy of somebody's. Mirror: restoreOptions. Man page: socket(7) */
export function collectOptions(fd: number): sk_opts_entry {
  const number = (option: number): number => askOption(fd, option) ?? 0
  const [so_rcv_tmo_sec, so_rcv_tmo_usec] = timeout(fd, SO.RCVTIMEO)
  const [so_snd_tmo_sec, so_snd_tmo_usec] = timeout(fd, SO.SNDTIMEO)
  const lingering = ask(fd, SO.LINGER, linger.size) && decode(linger, memory.bytes)
  const [mark, device, locks] = [number(SO.MARK), ask(fd, SO.BINDTODEVICE, 16)?.slice(), askOption(fd, SO.BUF_LOCK)]
  return {
    so_sndbuf: number(SO.SNDBUF),
    so_rcvbuf: number(SO.RCVBUF),
    so_snd_tmo_sec,
    so_snd_tmo_usec,
    so_rcv_tmo_sec,
    so_rcv_tmo_usec,
    ...Object.fromEntries(SWITCHES.map(([field, option]) => [field, number(option) !== 0])),
    so_priority: number(SO.PRIORITY),
    so_rcvlowat: number(SO.RCVLOWAT),
    ...(mark === 0 ? {} : { so_mark: mark >>> 0 }),
    ...(device?.length ? { so_bound_dev: Buffer.from(device).toString("latin1").replace(/\0.*$/, "") } : {}),
    so_filter: askFilter(fd),
    so_oobinline: number(SO.OOBINLINE),
    ...(lingering?.l_onoff ? { so_linger: lingering.l_linger } : {}),
    ...(locks === undefined ? {} : { so_buf_lock: locks }),
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

const int32 = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer)

/** Appends an option that is a number, or a structure as bytes. */
export function setOption(program: Program, fd: Argument, option: number, value: number | Uint8Array, about: string): void {
  const bytes = typeof value === "number" ? int32(value) : value
  program.callWith({ about: `an option of ${about}` }, "setsockopt", fd, SOL_SOCKET, option, program.bytes(bytes), bytes.length)
}

function restoreFilter(instructions: readonly bigint[], fd: Argument, program: Program, about: string): void {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION)
  const view = new DataView(bytes.buffer)
  for (const [at, word] of instructions.entries()) {
    view.setUint16(at * INSTRUCTION, Number(word >> 48n), true)
    view.setUint8(at * INSTRUCTION + 2, Number((word >> 40n) & 0xffn))
    view.setUint8(at * INSTRUCTION + 3, Number((word >> 32n) & 0xffn))
    view.setUint32(at * INSTRUCTION + 4, Number(word & 0xffffffffn), true)
  }
  // struct sock_fprog: a length, and an address at 8.
  const whole = new Uint8Array(16)
  new DataView(whole.buffer).setUint16(0, instructions.length, true)
  const head = program.bytes(whole)
  program.point(head, 8, program.bytes(bytes))
  program.callWith({ about: `the filter of ${about}` }, "setsockopt", fd, SOL_SOCKET, SO.ATTACH_FILTER, head, 16)
}

/**
 * Appends the options of a socket. Mirror: collectOptions. Of switches only those that are on: a new socket has none.
 *
 * Preconditions: its queues are filled; needs CAP_NET_ADMIN for buffers above the system's limits, as CRIU does.
 */
export function restoreOptions(opts: sk_opts_entry, fd: Argument, program: Program, about: string): void {
  const set = (option: number, value: number | Uint8Array): void => setOption(program, fd, option, value, about)
  // The kernel doubles what is asked for.
  set(SO.SNDBUFFORCE, opts.so_sndbuf >>> 1)
  set(SO.RCVBUFFORCE, opts.so_rcvbuf >>> 1)
  if (opts.so_buf_lock !== undefined) set(SO.BUF_LOCK, opts.so_buf_lock)
  const time = (sec: bigint, usec: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(sec, usec).buffer)
  if (opts.so_snd_tmo_sec || opts.so_snd_tmo_usec) set(SO.SNDTIMEO, time(opts.so_snd_tmo_sec, opts.so_snd_tmo_usec))
  if (opts.so_rcv_tmo_sec || opts.so_rcv_tmo_usec) set(SO.RCVTIMEO, time(opts.so_rcv_tmo_sec, opts.so_rcv_tmo_usec))
  for (const [field, option] of SWITCHES) if (opts[field]) set(option, 1)
  if (opts.so_priority) set(SO.PRIORITY, opts.so_priority)
  if ((opts.so_rcvlowat ?? 1) > 1) set(SO.RCVLOWAT, opts.so_rcvlowat ?? 1)
  if (opts.so_mark) set(SO.MARK, opts.so_mark)
  if (opts.so_bound_dev) set(SO.BINDTODEVICE, Buffer.from(opts.so_bound_dev, "latin1"))
  if (opts.so_oobinline) set(SO.OOBINLINE, 1)
  if (opts.so_linger !== undefined) set(SO.LINGER, encode(linger, { l_onoff: 1, l_linger: opts.so_linger }))
  if (opts.so_filter.length > 0) restoreFilter(opts.so_filter, fd, program, about)
}
