import { F, O, SPLICE_F_NONBLOCK } from "../../../ffi/abi/file.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { Argument, Program } from "../../tracee/program.ts"
import type { PipeData } from "./payloads.ts"
import { readable } from "./poll.ts"
import type { Restoring } from "./restoring.ts"

const memory = allocate(4096)
/** Largest content so far: a packet is read whole or loses its rest, so every read has room for all. */
let room = allocate(64 * 1024)

/** What is in a pipe, and how it is divided. */
interface Content {
  readonly data: PipeData
  /** Bytes of each packet; undefined where nothing is divided. */
  readonly packets: number[] | undefined
}

/**
 * Size and content of a pipe with or without a name, which keeps it. Plain bytes in front of a packet count as part of it.
 *
 * @param copy an end that can be read
 * @throws CheckpointError E_TARGET_CHANGED the content moved while it was copied
 */
export function contentOf(copy: number, pipe_id: number): Content {
  const size = syscall("fcntl", copy, F.GETPIPE_SZ)
  const parts = peek(copy, size)
  const payload = new Uint8Array(Buffer.concat(parts))
  return {
    data: { message: { pipe_id, bytes: payload.length, size }, payload },
    packets: parts.length > 1 ? parts.map(({ length }) => length) : undefined,
  }
}

/** A pipe of ours with nothing in it: made once, as to make one takes longer than all else that is done with it. */
interface Borrower {
  readonly read: number
  readonly write: number
  /** Bytes. */
  size: number
}
let idle: Borrower | undefined

/** Lends an empty pipe of ours of at least this capacity. After a failure, when something may be left in it, it is closed. */
function withEmptyPipe<T>(size: number, use: (pipe: Borrower) => T): T {
  const pipe = idle ?? makePipe()
  idle = undefined
  try {
    if (pipe.size < size) pipe.size = syscall("fcntl", pipe.write, F.SETPIPE_SZ, size)
    const answer = use(pipe)
    idle = pipe
    return answer
  } finally {
    if (!idle) for (const end of [pipe.read, pipe.write]) syscall("close", end)
  }
}

function makePipe(): Borrower {
  syscall("pipe2", memory.address, O.CLOEXEC | O.NONBLOCK)
  const [read, write] = [memory.view.getInt32(0, true), memory.view.getInt32(4, true)]
  return { read, write, size: syscall("fcntl", write, F.GETPIPE_SZ) }
}

/**
 * What is in a pipe, which keeps it: tee(2) lends the buffers to a pipe of ours, packets as packets.
 *
 * @param size capacity of the pipe, bytes: ours must have as many slots, for each may hold a single byte
 * @returns what each read(2) gave: all at once, but for packets
 */
function peek(copy: number, size: number): Uint8Array[] {
  const bytes = readable(copy)
  if (bytes === 0) return []
  if (bytes > room.bytes.length) room = allocate(bytes)
  return withEmptyPipe(size, ({ read, write }) => {
    const lent = syscall("tee", copy, write, bytes, SPLICE_F_NONBLOCK)
    if (lent !== bytes)
      throw new CheckpointError("E_TARGET_CHANGED", "Cannot copy what is in a pipe", `${lent} of ${bytes} bytes could be had`, "Dump again")
    const parts: Uint8Array[] = []
    for (let done = 0; done < bytes; done += parts.at(-1)?.length ?? 0)
      parts.push(room.bytes.slice(0, syscall("read", read, room.address, bytes - done)))
    return parts
  })
}

/** Largest packet, bytes: more is written as several. Man page: pipe(2), PIPE_BUF */
const PACKET_MAX = 4096

/** The packets of a pipe's content: those of the extension, or one where an end is in packet mode and all fits into it. */
export function packetsOf(
  { payload }: PipeData,
  ends: readonly { readonly id: number; readonly flags: number }[],
  extension: Restoring["extension"],
): readonly number[] | undefined {
  const told = ends.flatMap(({ id }) => extension.get(id)?.pipe_packets?.lengths ?? [])
  if (told.length > 0) return told
  return payload.length <= PACKET_MAX && ends.some(({ flags }) => flags & O.DIRECT) ? [payload.length] : undefined
}

/**
 * Appends the writing of a pipe's size and content. Mirror: contentOf.
 *
 * @param writer an end without any flags, which it has afterwards too
 */
export function fillPipe(
  writer: Argument,
  { message, payload }: PipeData,
  packets: readonly number[] | undefined,
  name: string,
  program: Program,
): void {
  if (message.size) program.callWith({ about: `the size of ${name}` }, "fcntl", writer, F.SETPIPE_SZ, message.size)
  if (payload.length === 0) return
  const about = `the content of ${name}`
  if (packets) program.callWith({ about }, "fcntl", writer, F.SETFL, O.DIRECT)
  let from = 0
  for (const length of packets ?? [payload.length]) {
    program.callWith({ about, returns: length }, "write", writer, program.bytes(payload.subarray(from, from + length)), length)
    from += length
  }
  if (packets) program.callWith({ about }, "fcntl", writer, F.SETFL, 0)
}
