import { FIONREAD } from "../../../../../ffi/abi/file.ts"
import {
  IPPROTO,
  MSG,
  SIOC,
  SO,
  SOL_SOCKET,
  TCP,
  TCP_QUEUE,
  TCP_REPAIR,
  TCP_STATE,
  TCPI_OPT,
  tcpRepairWindow,
} from "../../../../../ffi/abi/socket.ts"
import { type Decoded, decode, encode } from "../../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError } from "../../../../../ffi/syscall.ts"
import type { tcp_stream_entry } from "../../../../../proto/gen/tcp-stream_pb.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import { askCount, askNumber, askOption, offerOption, tellOption } from "../ask.ts"
import { askTcp } from "./tcp-info.ts"

/** Numbers and queues of one connection: the message and the bytes behind it, what was received before what was sent. */
export interface Stream {
  readonly message: tcp_stream_entry
  readonly payload: Uint8Array
}

const { FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING } = TCP_STATE
const SENT_FIN: ReadonlySet<number> = new Set([FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING])
const GOT_FIN: ReadonlySet<number> = new Set([CLOSE_WAIT, LAST_ACK, CLOSING])
/** Whether a connection in this state has told its peer that no more is sent; whether the peer has. */
export const hasSentFin = (state: number): boolean => SENT_FIN.has(state)
export const hasGotFin = (state: number): boolean => GOT_FIN.has(state)

const KNOWN_OPTIONS = TCPI_OPT.TIMESTAMPS | TCPI_OPT.SACK | TCPI_OPT.WSCALE
let memory = allocate(256 * 1024)

/** Bytes of a queue, which keeps them: of what was received, or of what was sent in repair mode that has chosen this queue. */
function peek(fd: number, length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0)
  if (length > memory.bytes.length) memory = allocate(2 * length)
  const got = attempt("recvfrom", fd, memory.address, length, MSG.PEEK | MSG.DONTWAIT, 0, 0)
  if (isFailure(got)) throw new SyscallError("recvfrom", errnoName(-got), [fd], " for the queue of a connection")
  if (got === length) return memory.bytes.slice(0, length)
  throw new CheckpointError(
    "E_UNSUPPORTED",
    "Cannot read the queue of a TCP connection",
    `${got} of ${length} bytes could be had: one of them may be urgent`,
    "Let the program read its urgent data, then dump again",
  )
}

/**
 * Whose a connection is: of a program that goes on if we die, or of one that was just restored, which is in repair mode, dies with us, and
 * must do so in silence.
 */
export type Owner = "live" | "restored"

/**
 * What was received, from the first byte on, wherever the program would go on peeking. Repair mode has it only where the receive queue is
 * chosen, which must not be in a program that may go on: see nextNumber.
 */
function peekReceived(fd: number, length: number, owner: Owner): Uint8Array {
  const held = owner === "restored"
  const offset = askNumber(fd, SOL_SOCKET, SO.PEEK_OFF) ?? -1
  if (held) tellOption(fd, IPPROTO.TCP, TCP.REPAIR_QUEUE, TCP_QUEUE.RECV)
  if (offset >= 0) tellOption(fd, SOL_SOCKET, SO.PEEK_OFF, -1)
  try {
    return peek(fd, length)
  } finally {
    if (offset >= 0) tellOption(fd, SOL_SOCKET, SO.PEEK_OFF, offset)
    if (held) tellOption(fd, IPPROTO.TCP, TCP.REPAIR_QUEUE, TCP_QUEUE.NONE)
  }
}

/** Runs a step with a connection in repair mode; afterwards that of a live program is out of it, and the peer was told nothing. */
function repairing<T>(fd: number, owner: Owner, step: () => T): T {
  if (owner === "restored")
    try {
      return step()
    } finally {
      tellOption(fd, IPPROTO.TCP, TCP.REPAIR_QUEUE, TCP_QUEUE.NONE)
    }
  const reuse = askNumber(fd, SOL_SOCKET, SO.REUSEADDR) ?? 0
  tellOption(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.ON)
  try {
    return step()
  } finally {
    tellOption(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP)
    // The way out of repair mode takes the right to reuse the address away.
    if (reuse) tellOption(fd, SOL_SOCKET, SO.REUSEADDR, 1)
  }
}

/** Numbers of the window. Precondition: repair mode. */
function askWindow(fd: number): Decoded<typeof tcpRepairWindow> {
  const bytes = askOption(fd, IPPROTO.TCP, TCP.REPAIR_WINDOW, tcpRepairWindow.size)
  if (!bytes) throw new Error("Unreachable: a connection in repair mode without a window")
  return decode(tcpRepairWindow, bytes)
}

/**
 * The number that the next byte of the peer's will have. The kernel takes a window that was last told at this number or before it and
 * refuses one beyond: so it is looked for from where the window was last told, mostly with two calls, and the window is set as it was.
 * TCP_QUEUE_SEQ would tell it, but wants the receive queue chosen: were we killed then, the program would go on, and what it sends would go
 * into its own receive queue until a guard ends repair mode.
 *
 * Precondition: repair mode. Kernel: net/ipv4/tcp.c tcp_repair_set_window(), tcp_sendmsg_locked(); net/ipv4/tcp_input.c tcp_send_rcvq()
 */
function nextNumber(fd: number, window: Decoded<typeof tcpRepairWindow>): number {
  const max_window = Math.max(window.max_window, window.snd_wnd)
  const isReached = (further: number): boolean => {
    const told = { ...window, max_window, rcv_wup: (window.rcv_wup + further) >>> 0 }
    return !isFailure(offerOption(fd, IPPROTO.TCP, TCP.REPAIR_WINDOW, encode(tcpRepairWindow, told)))
  }
  let [reached, beyond] = [0, 1]
  while (beyond < 2 ** 31 && isReached(beyond)) [reached, beyond] = [beyond, 2 * beyond]
  while (beyond - reached > 1) {
    const middle = reached + Math.floor((beyond - reached) / 2)
    if (isReached(middle)) reached = middle
    else beyond = middle
  }
  // As it was; and the proof that what was refused was refused for its number.
  if (!isReached(0)) throw new Error("Unreachable: the kernel refuses the window that it told")
  return (window.rcv_wup + reached) >>> 0
}

/**
 * Reads what only repair mode tells of a connection: numbers, queues, window, what was agreed. Mirror: restoreStream of ./restore-stream.ts
 *
 * Precondition: no packet of the connection comes or goes meanwhile, and nobody uses the socket. Needs CAP_NET_ADMIN.
 * Kernel: net/ipv4/tcp.c do_tcp_getsockopt(), tcp_peek_sndq()
 */
export function readStream(fd: number, owner: Owner): Stream {
  const { state, options, scales } = askTcp(fd)
  const fin = state === FIN_WAIT1 || state === LAST_ACK || state === CLOSING ? 1 : 0
  const opt_mask = options & KNOWN_OPTIONS
  const inq_len = askCount(fd, FIONREAD)
  const received = peekReceived(fd, inq_len, owner)
  return repairing(fd, owner, () => {
    const [queued, unsent] = [askCount(fd, SIOC.OUTQ), askCount(fd, SIOC.OUTQNSD)]
    // The end of the stream takes a number in the queue, but no byte.
    const outq_len = Math.max(0, queued - fin)
    const window = askWindow(fd)
    const inq_seq = nextNumber(fd, window)
    const mss_clamp = askNumber(fd, IPPROTO.TCP, TCP.MAXSEG) ?? 0
    const timestamp = opt_mask & TCPI_OPT.TIMESTAMPS ? { timestamp: (askNumber(fd, IPPROTO.TCP, TCP.TIMESTAMP) ?? 0) >>> 0 } : {}
    // Last, and for a moment: a program that went on now would see what it sent where it peeks.
    tellOption(fd, IPPROTO.TCP, TCP.REPAIR_QUEUE, TCP_QUEUE.SEND)
    const outq_seq = (askNumber(fd, IPPROTO.TCP, TCP.QUEUE_SEQ) ?? 0) >>> 0
    const sent = peek(fd, outq_len)
    const message: tcp_stream_entry = {
      inq_len,
      inq_seq,
      outq_len,
      outq_seq,
      opt_mask,
      snd_wscale: scales & 15,
      mss_clamp,
      rcv_wscale: scales >> 4,
      ...timestamp,
      unsq_len: Math.max(0, unsent - fin),
      ...window,
    }
    return { message, payload: Buffer.concat([received, sent]) }
  })
}
