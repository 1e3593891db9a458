import { TASK_SIZE } from "../../../ffi/abi/mman.ts"
import { PAGE, type Range, roundUp } from "../../base/units.ts"

/** Stacks may grow this far down without asking, so nothing of ours stands so near below a used range. */
const STACK_GAP = 1n << 20n
const LOWEST = 0x100000n

/** Whether two ranges have a byte in common. */
export const overlaps = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end

/**
 * An address range of `size` bytes that none of `used` touches, as low as possible above 1 MiB.
 *
 * @param unit bytes, a power of two: where it starts is a multiple of it
 * @throws Error when the whole address space is full
 */
export function findHole(used: readonly Range[], size: bigint, unit: bigint = PAGE): Range {
  let at = roundUp(LOWEST, unit)
  for (const { start, end } of [...used].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    if (end <= at) continue
    if (start >= at + size + STACK_GAP) break
    at = roundUp(end + STACK_GAP, unit)
  }
  if (at + size > TASK_SIZE) throw new Error(`No hole of ${size} bytes in the address space`)
  return { start: at, end: at + size }
}

/** The parts of the user address space outside `kept`, ascending. */
export function outside(kept: readonly Range[]): Range[] {
  const gaps: Range[] = []
  let at = 0n
  for (const { start, end } of [...kept].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    if (start > at) gaps.push({ start: at, end: start })
    if (end > at) at = end
  }
  if (at < TASK_SIZE) gaps.push({ start: at, end: TASK_SIZE })
  return gaps
}

/** The parts of `range` that none of `cut` covers, ascending. */
export function without(range: Range, cut: readonly Range[]): Range[] {
  let left = [range]
  for (const { start, end } of cut)
    left = left.flatMap((part) =>
      overlaps(part, { start, end })
        ? [
            { start: part.start, end: start },
            { start: end, end: part.end },
          ].filter((piece) => piece.start < piece.end)
        : [part],
    )
  return left
}

/**
 * Answers whether a range touches any of many.
 *
 * @param ranges ascending, non-overlapping
 */
export function toucher(ranges: readonly Range[]): (range: Range) => boolean {
  return ({ start, end }) => {
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ranges[middle]?.end ?? 0n) <= start) low = middle + 1
      else high = middle
    }
    return (ranges[low]?.start ?? end) < end
  }
}
