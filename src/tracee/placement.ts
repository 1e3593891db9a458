import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import type { RemoteAddress } from "../base/units.ts"
import { FRAME_RESULT, frameSize, frameStack, interruptedCall, signalFrame } from "./arch.x86_64.ts"
import type { FrozenProcess, FrozenThread } from "./frozen.ts"
import type { Program } from "./program.ts"
import { zeros } from "./zeros.ts"

/** What the beginnings of programs and frames are multiples of, bytes. */
const ALIGN = 64
/** Bytes behind each frame: the thread's signal mask, for who goes back into a restart block. */
const MASK_ROOM = ALIGN

/** Rounds bytes up to what the beginnings of programs and frames want. */
export const aligned64 = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** Bytes that a run of these programs needs. */
export function loanSize(process: FrozenProcess, programs: readonly Program[]): number {
  const frame = aligned64(frameSize(Math.max(...process.threads.map(({ xstate }) => xstate.length)))) + MASK_ROOM
  return programs.reduce((sum, program) => sum + aligned64(program.size) + frame, 0)
}

/** A program in its place. */
interface Placed {
  readonly thread: FrozenThread
  readonly program: Program
  readonly offset: number
  readonly header: bigint
}

/** Lays programs and the frames of their threads into one image of the area's data, which the next call overwrites. */
export function placePrograms(
  process: FrozenProcess,
  programs: ReadonlyMap<number, Program>,
  data: RemoteAddress,
  loan: number,
  signal: number,
): { image: Uint8Array; threads: Placed[] } {
  const threads: Placed[] = []
  const size = loanSize(process, [...programs.values()])
  if (size > loan) throw new Error(`Unreachable: programs of ${size} bytes in a loan of ${loan}`)
  const image = zeros(size)
  const view = new DataView(image.buffer, image.byteOffset)
  const byId = new Map(process.threads.map((thread) => [thread.tid, thread]))
  let offset = 0
  for (const [tid, program] of programs) {
    const thread = byId.get(tid)
    if (!thread) throw new Error(`Unreachable: thread ${tid} is not frozen`)
    const header = data + BigInt(offset)
    const frameAt = offset + aligned64(program.size)
    const frame = data + BigInt(frameAt)
    const inRestart = interruptedCall(thread.registers) === "restart-block" && thread.resume === thread.registers
    const end = frameAt + aligned64(frameSize(thread.xstate.length))
    signalFrame(frame, 0n, thread.resume, thread.xstate, thread.mask, image.subarray(frameAt, end))
    view.setBigUint64(end, thread.mask, true)
    const who = {
      pid: process.pid,
      tid,
      signal,
      frame: frameStack(frame),
      protect: data,
      protectSize: loan,
      restartStack: inRestart ? stackBelow(thread.registers) : 0n,
      restartMask: data + BigInt(end),
      restartResult: frame + FRAME_RESULT,
      rseqAt: thread.rseqCs?.alone ? thread.rseqCs.at : 0n,
      rseqCs: thread.rseqCs?.value ?? 0n,
    }
    program.place(header, who, image.subarray(offset, frameAt))
    threads.push({ thread, program, offset, header })
    offset = end + MASK_ROOM
  }
  return { image, threads }
}

/** Bytes below its stack pointer that a thread may have in use, twice the red zone of the ABI. */
const RED_ZONE = 256n

/** A stack pointer, 16-aligned, below all that the thread may have in use. */
const stackBelow = ({ sp }: Registers): bigint => (sp - RED_ZONE) & ~15n
