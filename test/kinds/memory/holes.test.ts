import { describe, expect, test } from "bun:test"
import { TASK_SIZE } from "../../../ffi/abi/mman.ts"
import type { Range } from "../../../src/base/units.ts"
import { findHole, outside, overlaps, toucher, without } from "../../../src/kinds/memory/holes.ts"

const PAGE = 4096n
const MIB = 1n << 20n

/** A generator of pseudo-random numbers that is the same in every run. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Non-overlapping ascending ranges in a space of `pages` pages from `base`, some of them adjacent. */
function someRanges(next: (below: number) => number, base: bigint, pages: number): Range[] {
  const ranges: Range[] = []
  for (let at = next(5); at < pages; ) {
    const length = 1 + next(6)
    ranges.push({ start: base + BigInt(at) * PAGE, end: base + BigInt(at + length) * PAGE })
    at += length + next(4)
  }
  return ranges
}

const shuffled = (ranges: readonly Range[], next: (below: number) => number): Range[] =>
  ranges
    .map((range) => [next(1000), range] as const)
    .sort((a, b) => a[0] - b[0])
    .map(([, range]) => range)
const sum = (ranges: readonly Range[]): bigint => ranges.reduce((bytes, { start, end }) => bytes + end - start, 0n)
const isAscending = (ranges: readonly Range[]): boolean =>
  ranges.every(({ start, end }, i) => start < end && (ranges[i - 1]?.end ?? 0n) <= start)

describe("overlaps", () => {
  test("is true of ranges that share a byte, not of neighbours", () => {
    const range = { start: 10n, end: 20n }
    expect(
      [
        { start: 0n, end: 10n },
        { start: 20n, end: 30n },
      ].map((other) => overlaps(range, other)),
    ).toEqual([false, false])
    expect(
      [{ start: 0n, end: 11n }, { start: 19n, end: 30n }, { start: 12n, end: 13n }, range].map((other) => overlaps(range, other)),
    ).toEqual([true, true, true, true])
  })
})

describe("findHole", () => {
  test("an empty space has it at 1 MiB", () => expect(findHole([], PAGE)).toEqual({ start: MIB, end: MIB + PAGE }))

  test("keeps 1 MiB below what is used, for a stack may grow down", () => {
    const stack = { start: 3n * MIB, end: 4n * MIB }
    expect(findHole([stack], MIB).start).toBe(MIB)
    expect(findHole([stack], MIB + PAGE).start).toBe(5n * MIB)
  })

  test("never touches or crowds a used range, whatever the order they come in", () => {
    const next = random(7)
    for (let round = 0; round < 300; round++) {
      const used = someRanges(next, BigInt(next(300)) * MIB, 2000)
      const size = BigInt(1 + next(400)) * PAGE
      const hole = findHole(shuffled(used, next), size)
      expect(hole.end - hole.start).toBe(size)
      expect(hole.start).toBeGreaterThanOrEqual(MIB)
      for (const range of used) expect(overlaps(range, { start: hole.start, end: hole.end + MIB })).toBe(false)
    }
  })

  test("begins at a multiple of what is asked for", () => {
    const huge = 2n * MIB
    expect(findHole([], huge, huge).start).toBe(2n * MIB)
    expect(findHole([{ start: 5n * MIB, end: 6n * MIB + PAGE }], huge, huge).start).toBe(2n * MIB)
    expect(findHole([{ start: 4n * MIB, end: 6n * MIB + PAGE }], huge, huge).start).toBe(8n * MIB)
  })

  test("skips what lies inside a larger used range", () => {
    const used = [
      { start: 0n, end: 100n * MIB },
      { start: 2n * MIB, end: 3n * MIB },
    ]
    expect(findHole(used, PAGE).start).toBe(101n * MIB)
  })

  test("a full space is an error", () => {
    expect(() => findHole([{ start: 0n, end: TASK_SIZE }], PAGE)).toThrow("No hole of 4096 bytes")
  })
})

describe("outside", () => {
  test("without anything kept it is the whole space", () => expect(outside([])).toEqual([{ start: 0n, end: TASK_SIZE }]))

  test("kept ranges and gaps together are the whole space, without overlap", () => {
    const next = random(11)
    for (let round = 0; round < 300; round++) {
      const kept = someRanges(next, BigInt(next(3)) * MIB, 300)
      const gaps = outside(shuffled(kept, next))
      expect(isAscending(gaps)).toBe(true)
      expect(gaps.some((gap) => kept.some((range) => overlaps(gap, range)))).toBe(false)
      expect(sum(gaps) + sum(kept)).toBe(TASK_SIZE)
    }
  })

  test("ranges that overlap, or reach the end, leave no empty gap", () => {
    expect(
      outside([
        { start: 0n, end: PAGE },
        { start: 0n, end: 3n * PAGE },
        { start: PAGE, end: TASK_SIZE },
      ]),
    ).toEqual([])
  })
})

describe("without", () => {
  test("cuts front, middle, end and all", () => {
    const range = { start: 10n, end: 20n }
    expect(without(range, [])).toEqual([range])
    expect(without(range, [{ start: 0n, end: 12n }])).toEqual([{ start: 12n, end: 20n }])
    expect(without(range, [{ start: 15n, end: 30n }])).toEqual([{ start: 10n, end: 15n }])
    expect(
      without(range, [
        { start: 12n, end: 15n },
        { start: 16n, end: 17n },
      ]),
    ).toEqual([
      { start: 10n, end: 12n },
      { start: 15n, end: 16n },
      { start: 17n, end: 20n },
    ])
    expect(without(range, [{ start: 0n, end: 99n }])).toEqual([])
    expect(without(range, [{ start: 20n, end: 30n }])).toEqual([range])
  })

  test("what is left and what is cut are the range, in any order of cuts", () => {
    const next = random(13)
    for (let round = 0; round < 300; round++) {
      const range = { start: BigInt(next(50)) * PAGE, end: BigInt(60 + next(100)) * PAGE }
      const cuts = someRanges(next, 0n, 150)
      const left = without(range, shuffled(cuts, next))
      const inside = cuts
        .filter((cut) => overlaps(cut, range))
        .map(({ start, end }) => ({ start: start > range.start ? start : range.start, end: end < range.end ? end : range.end }))
      expect(isAscending(left)).toBe(true)
      expect(left.some((part) => cuts.some((cut) => overlaps(part, cut)))).toBe(false)
      expect(sum(left) + sum(inside)).toBe(range.end - range.start)
    }
  })
})

describe("toucher", () => {
  test("answers as a search through all of them would", () => {
    const next = random(17)
    for (let round = 0; round < 100; round++) {
      const ranges = someRanges(next, 0n, 200)
      const touches = toucher(ranges)
      for (let i = 0; i < 20; i++) {
        const start = BigInt(next(210)) * PAGE
        const range = { start, end: start + BigInt(1 + next(5)) * PAGE }
        expect(touches(range)).toBe(ranges.some((other) => overlaps(other, range)))
      }
    }
    expect(toucher([])({ start: 0n, end: TASK_SIZE })).toBe(false)
  })
})
