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
import { decode } from "../../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError } from "../../../../../ffi/syscall.ts"
import type { tcp_stream_entry } from "../../../../../proto/gen/tcp-stream_pb.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import { askCount, askNumber, askOption, tellOption } from "../ask.ts"
import { askTcp } from "./tcp-info.ts"

/** Numbers and queues of one connection: the message and the bytes behind it, what was received before what was sent. */
export interface Stream {
  readonly message: tcp_stream_entry
  readonly payload: Uint8Array
}

const { FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING } = TCP_STATE
/** States in which our end, or the peer's, was announced. */
const SENT_FIN: ReadonlySet<number> = new Set([FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING])
const GOT_FIN: ReadonlySet<number> = new Set([CLOSE_WAIT, LAST_ACK, CLOSING])
export const hasSentFin = (state: number): boolean => SENT_FIN.has(state)
export const hasGotFin = (state: number): boolean => GOT_FIN.has(state)

const KNOWN_OPTIONS = TCPI_OPT.TIMESTAMPS | TCPI_OPT.SACK | TCPI_OPT.WSCALE
let memory = allocate(256 * 1024)

/** Bytes of a queue, which keeps them. Precondition: repair mode, with this queue chosen. */
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

/** Number at the end of a queue, and what is in it. */
function readQueue(fd: number, queue: number, length: number): { sequence: number; bytes: Uint8Array } {
  tellOption(fd, IPPROTO.TCP, TCP.REPAIR_QUEUE, queue)
  const sequence = (askNumber(fd, IPPROTO.TCP, TCP.QUEUE_SEQ) ?? 0) >>> 0
  return { sequence, bytes: peek(fd, length) }
}

/** Runs a step with a connection in repair mode; afterwards it is as before, and the peer was told nothing. */
function repairing<T>(fd: number, step: () => T): T {
  const reuse = askNumber(fd, SOL_SOCKET, SO.REUSEADDR) ?? 0
  const offset = askNumber(fd, SOL_SOCKET, SO.PEEK_OFF) ?? -1
  tellOption(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.ON)
  try {
    if (offset >= 0) tellOption(fd, SOL_SOCKET, SO.PEEK_OFF, -1)
    return step()
  } finally {
    tellOption(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP)
    // The way out of repair mode takes the right to reuse the address away.
    if (reuse) tellOption(fd, SOL_SOCKET, SO.REUSEADDR, 1)
    if (offset >= 0) tellOption(fd, SOL_SOCKET, SO.PEEK_OFF, offset)
  }
}

/**
 * Reads what only repair mode tells of a connection: numbers, queues, window, what was agreed. Mirror: restoreStream of ./restore-stream.ts
 *
 * Precondition: no packet of the connection comes or goes meanwhile, and nobody uses the socket. Needs CAP_NET_ADMIN.
 * Kernel: net/ipv4/tcp.c do_tcp_getsockopt(), tcp_peek_sndq()
 */
export function readStream(fd: number): Stream {
  const { state, options, scales } = askTcp(fd)
  const fin = state === FIN_WAIT1 || state === LAST_ACK || state === CLOSING ? 1 : 0
  const opt_mask = options & KNOWN_OPTIONS
  return repairing(fd, () => {
    const [inq_len, queued, unsent] = [askCount(fd, FIONREAD), askCount(fd, SIOC.OUTQ), askCount(fd, SIOC.OUTQNSD)]
    // The end of the stream takes a number in the queue, but no byte.
    const outq_len = Math.max(0, queued - fin)
    const received = readQueue(fd, TCP_QUEUE.RECV, inq_len)
    const sent = readQueue(fd, TCP_QUEUE.SEND, outq_len)
    const window = askOption(fd, IPPROTO.TCP, TCP.REPAIR_WINDOW, tcpRepairWindow.size)
    const message: tcp_stream_entry = {
      inq_len,
      inq_seq: received.sequence,
      outq_len,
      outq_seq: sent.sequence,
      opt_mask,
      snd_wscale: scales & 15,
      mss_clamp: askNumber(fd, IPPROTO.TCP, TCP.MAXSEG) ?? 0,
      rcv_wscale: scales >> 4,
      ...(opt_mask & TCPI_OPT.TIMESTAMPS ? { timestamp: (askNumber(fd, IPPROTO.TCP, TCP.TIMESTAMP) ?? 0) >>> 0 } : {}),
      unsq_len: Math.max(0, unsent - fin),
      ...(window ? decode(tcpRepairWindow, window) : {}),
    }
    return { message, payload: Buffer.concat([received.bytes, sent.bytes]) }
  })
}
