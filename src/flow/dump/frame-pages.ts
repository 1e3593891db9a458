import { PM } from "../../../ffi/abi/mman.ts"
import { closeSync, openSync, readSync } from "../../../ffi/fs.ts"
import { PAGE_SIZE, type Range, type RemoteAddress, remoteAddress } from "../../base/units.ts"
import { without } from "../../kinds/memory/holes.ts"
import type { PageRange } from "../../kinds/memory/pages.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { FrozenProcess } from "../../tracee/frozen.ts"
import { framePagesSize, isFree, isZero, type LoanTerms } from "../../tracee/host.ts"
import { peekMemory } from "../../tracee/memory.ts"

/**
 * Pages for the bootstrap's signal frame, zeros afterwards. In quiet memory low ones of the main stack, when they are far below every
 * stack pointer and hold nothing but zeros or what a killed dump left: that is where each dump finds the pages of the one before. Else such
 * that nobody ever touched, near the low end of the main stack or of any private writable area; else, where all are present (mlockall),
 * those of the main stack when they are zeros.
 *
 * @param size bytes, whole pages
 * @param stackPointers of all threads that use this memory, those of other processes too
 * @param isQuiet none of them is on its way back from a killed dump, by a frame that no stack pointer may point to yet
 * @param taken frames of the processes that share this memory
 * @returns undefined when every writable page is in use
 */
export function untouchedPages(
  pid: number,
  mappings: readonly MappingDetail[],
  size: number,
  stackPointers: readonly bigint[],
  isQuiet: boolean,
  taken: readonly Range[] = [],
): RemoteAddress | undefined {
  const usable = mappings.filter(({ read, write, counters }) => read && write && counters.protectionKey === 0)
  const stack = usable.find(({ path }) => path === "[stack]")
  const fd = openSync(`/proc/${pid}/pagemap`, "r")
  try {
    const at = stack && lowestPlace(fd, stack, size, stackPointers, taken)
    const lowest = (isWanted: (pages: Uint8Array) => boolean) => {
      const bytes = at === undefined ? undefined : peekMemory(pid, at, size)
      return bytes && isWanted(bytes) ? at : undefined
    }
    const absent = (room: number) => absentPages(fd, usable, size, room, taken)
    return (isQuiet ? lowest(isFree) : undefined) ?? absent(HANDLER_ROOM) ?? absent(0) ?? lowest(isZero)
  } finally {
    closeSync(fd)
  }
}

const overlapped = (ranges: readonly Range[], at: bigint, size: number): Range | undefined =>
  ranges.find(({ start, end }) => at < end && at + BigInt(size) > start)

/**
 * What a handler or a call of the program may write below a stack pointer, bytes. So much is left alone below those of the program, and
 * kept free below a frame: a signal that waits is taken there if the tool dies before it is blocked. Nor need a stack be able to grow.
 */
const HANDLER_ROOM = 16 * 1024

/** The lowest place in the main stack that has room below and nobody has taken, where it is present and below all use. */
function lowestPlace(
  fd: number,
  stack: MappingDetail,
  size: number,
  stackPointers: readonly bigint[],
  taken: readonly Range[],
): RemoteAddress | undefined {
  let at = stack.start + BigInt(HANDLER_ROOM)
  for (let other = overlapped(taken, at, size); other; other = overlapped(taken, at, size)) at = other.end + BigInt(HANDLER_ROOM)
  const end = at + BigInt(size)
  const pointers = stackPointers.filter((sp) => sp >= stack.start && sp <= stack.end)
  // Without one the main stack is not where the leader's frames end (Go), and nobody knows what lies there: but for pages that stand alone.
  const isBelowUse =
    pointers.length === 0
      ? end < stack.end && areUntouched(fd, at - BigInt(HANDLER_ROOM), HANDLER_ROOM) && areUntouched(fd, end, PAGE_SIZE)
      : pointers.every((sp) => end + BigInt(HANDLER_ROOM) <= sp)
  // Absent pages are not to be read: that would make them present.
  const isUsable = isBelowUse && pagesOf(fd, at, size / PAGE_SIZE).every((entry) => (entry & PM.PRESENT) !== 0n)
  return isUsable ? remoteAddress(at) : undefined
}

/** Nobody can write to a guard. */
const TAKEN = PM.PRESENT | PM.SWAP | PM.GUARD
/** Pages of an area that are looked at, from its low end. */
const WINDOW = 512
/** Bytes of an entry of /proc/PID/pagemap. */
const ENTRY = 8
const pagemapWindow = Buffer.alloc(ENTRY * WINDOW)

/** Pagemap entries from an address on. @param pages WINDOW at most */
function pagesOf(fd: number, start: bigint, pages: number): bigint[] {
  const got = readSync(fd, pagemapWindow, 0, pages * ENTRY, (Number(start) / PAGE_SIZE) * ENTRY) / ENTRY
  return Array.from({ length: got }, (_, i) => pagemapWindow.readBigUInt64LE(i * ENTRY))
}

const areUntouched = (fd: number, start: bigint, size: number): boolean =>
  pagesOf(fd, start, size / PAGE_SIZE).every((entry) => (entry & TAKEN) === 0n)

/** @param room bytes that are absent, too, below the pages */
function absentPages(
  fd: number,
  mappings: readonly MappingDetail[],
  size: number,
  room: number,
  taken: readonly Range[],
): RemoteAddress | undefined {
  // Droppable memory (MAP_DROPPABLE) may lose a frame at any moment.
  const writable = mappings.filter(
    ({ shared, inode, path, vmFlags }) => !shared && inode === 0n && !path.startsWith("[v") && !vmFlags.has("ht") && !vmFlags.has("dp"),
  )
  const stacksFirst = [...writable].sort((a, b) => Number(b.path === "[stack]") - Number(a.path === "[stack]"))
  const pages = (room + size) / PAGE_SIZE
  for (const { start, end } of stacksFirst) {
    let run = 0
    for (const [i, entry] of pagesOf(fd, start, Math.min(WINDOW, Number(end - start) / PAGE_SIZE)).entries()) {
      const isOurs = (entry & TAKEN) === 0n && !overlapped(taken, start + BigInt(i * PAGE_SIZE), PAGE_SIZE)
      run = isOurs ? run + 1 : 0
      if (run === pages) return remoteAddress(start + BigInt((i + 1) * PAGE_SIZE - size))
    }
  }
  return undefined
}

/** Where a frame is; nowhere without a return chain. */
export const frameOf = (process: FrozenProcess, { framePages }: LoanTerms): Range[] =>
  framePages === undefined ? [] : [{ start: framePages, end: framePages + BigInt(framePagesSize(process)) }]

/** Pages to store but those that hold frames of ours now: they are zeros before and after, as those that are not stored. */
export const withoutFrames = (frames: readonly Range[], ranges: readonly PageRange[]): PageRange[] =>
  ranges.flatMap((range) => without(range, frames).map((part) => ({ ...range, ...part })))
