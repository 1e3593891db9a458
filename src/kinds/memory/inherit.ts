import { MAP } from "../../../ffi/abi/mman.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { stasis_vma_entry } from "../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { PAGE, type Range } from "../../base/units.ts"
import { ADVICE } from "./advice.ts"
import { overlaps } from "./holes.ts"
import { isHuge } from "./huge-size.ts"

/** Memory that a process can get from its parent by fork, copy-on-write as it was, instead of reading it again. */
export interface Inheritance {
  /** Areas that are kept as the parent has them, and the protection that they come with. */
  readonly kept: readonly { readonly area: vma_entry; readonly prot: number }[]
  /** Pages whose contents are the parent's: not to be read. Ascending. */
  readonly same: readonly Range[]
  /** Pages that only the parent has: to be dropped. Ascending. */
  readonly dropped: readonly Range[]
}

/** What is known of one process's memory. */
export interface MemoryFacts {
  readonly mm: mm_entry
  /** What only our own image tells of areas. */
  readonly extension: readonly stasis_vma_entry[]
  readonly runs: readonly Run[]
}

/** Pages that follow one another in memory and in a file. Bytes. */
export interface Run {
  readonly start: bigint
  readonly length: bigint
  readonly offset: bigint
  readonly path: string
}

const adviceOf = (flag: string): bigint => 1n << BigInt(ADVICE.find(([name]) => name === flag)?.[1] ?? 63)
/** Advice that keeps an area, or its contents, from a child. */
const NOT_FOR_CHILDREN = adviceOf("dc") | adviceOf("wf")
const KEEPABLE = VMA.ANON_PRIVATE | VMA.FILE_PRIVATE
const KERNELS = VMA.VDSO | VMA.VVAR | VMA.VSYSCALL | VMA.GUARD

/** All that two areas must have in common; locks are not inherited, and protection can be changed. */
function isAlike(child: vma_entry, parent: vma_entry): boolean {
  const { status, flags, madv = 0n } = child
  return (
    (status & KEEPABLE) !== 0 &&
    (status & KERNELS) === 0 &&
    (flags & MAP.DROPPABLE) !== MAP.DROPPABLE &&
    (madv & NOT_FOR_CHILDREN) === 0n &&
    child.start >= parent.start &&
    child.end <= parent.end &&
    status === parent.status &&
    (flags & ~MAP.LOCKED) === (parent.flags & ~MAP.LOCKED) &&
    (child.shmid === 0n || child.pgoff - child.start === parent.pgoff - parent.start) &&
    child.shmid === parent.shmid &&
    madv === (parent.madv ?? 0n)
  )
}

/** Facts of our own image about an area, in a form that can be compared: those of a part are those of the whole. */
const factsOf = (extension: readonly stasis_vma_entry[], area: Range): string =>
  JSON.stringify(
    extension.filter((entry) => overlaps(entry, area)).map(({ start: _start, end: _end, ...facts }) => facts),
    (_, value) => (typeof value === "bigint" ? `${value}` : value),
  )

const guardsOf = ({ vmas }: mm_entry, area: Range): string =>
  vmas
    .filter(({ status, ...range }) => status & VMA.GUARD && overlaps(range, area))
    .map(({ start, end }) => `${start}-${end}`)
    .join()

/**
 * Areas that a child has just as its parent has them, or as a part of one that the parent has. One that has grown in the child since the
 * fork is left out: the kernel would not merge the parts again, and the program could not mremap(2) them as one.
 */
export function alikeAreas(child: MemoryFacts, parent: MemoryFacts): { readonly area: vma_entry; readonly prot: number }[] {
  const others = parent.mm.vmas.filter(({ status }) => !(status & VMA.GUARD))
  let next = 0
  return child.mm.vmas.flatMap((area) => {
    if (area.status & VMA.GUARD) return []
    while (next < others.length && others[next]!.end <= area.start) next++
    const other = others[next]
    if (!other || !isAlike(area, other)) return []
    if (factsOf(child.extension, area) !== factsOf(parent.extension, area)) return []
    // What came with its key could not be filled.
    if (child.extension.some((entry) => entry.protection_key !== undefined && overlaps(entry, area))) return []
    return guardsOf(child.mm, area) === guardsOf(parent.mm, area) ? [{ area, prot: other.prot }] : []
  })
}

/** Says whether two stretches of pages files hold the same bytes. */
export type SameBytes = (child: { path: string; offset: bigint }, parent: { path: string; offset: bigint }, length: bigint) => boolean

/** Bytes that are compared at once: when they differ, page by page. */
const STRIDE = 16n * PAGE

/** Appends a range, joined to the last one where they touch. */
function push(ranges: { start: bigint; end: bigint }[], start: bigint, end: bigint): void {
  const last = ranges.at(-1)
  if (last?.end === start) last.end = end
  else ranges.push({ start, end })
}

/** The parts of runs, which ascend, that lie in an area. */
function within(runs: readonly Run[], { start, end }: Range): Run[] {
  let [low, high] = [0, runs.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (runs[middle]!.start + runs[middle]!.length <= start) low = middle + 1
    else high = middle
  }
  const found: Run[] = []
  for (let run = runs[low]; run && run.start < end; run = runs[++low]) {
    const from = run.start > start ? run.start : start
    const to = run.start + run.length < end ? run.start + run.length : end
    found.push({ ...run, start: from, length: to - from, offset: run.offset + from - run.start })
  }
  return found
}

/**
 * Finds what a child can inherit: areas alike in both that hold at least one page with the parent's contents.
 *
 * @returns undefined when there is nothing worth it
 */
export function planInheritance(child: MemoryFacts, parent: MemoryFacts, same: SameBytes): Inheritance | undefined {
  const kept: { readonly area: vma_entry; readonly prot: number }[] = []
  const equal: { start: bigint; end: bigint }[] = []
  const dropped: { start: bigint; end: bigint }[] = []
  for (const alike of alikeAreas(child, parent)) {
    const [own, theirs] = [within(child.runs, alike.area), within(parent.runs, alike.area)]
    const found = equalRanges(own, theirs, same)
    // Of huge pages that nobody has touched yet the parent has a promise, the child has none: made anew, it would get one.
    if (found.length === 0 && !(isHuge(alike.area) && own.length === 0)) continue
    const gone = theirs.flatMap(({ start, length }) => gaps({ start, end: start + length }, own))
    // They cannot be dropped before Linux 5.18.
    if (isHuge(alike.area) && gone.length > 0) continue
    kept.push(alike)
    for (const { start, end } of found) push(equal, start, end)
    for (const { start, end } of gone) push(dropped, start, end)
  }
  return kept.length > 0 ? { kept, same: equal, dropped } : undefined
}

/** Where two lists of runs, both ascending, hold the same bytes at the same addresses. */
function equalRanges(own: readonly Run[], theirs: readonly Run[], same: SameBytes): Range[] {
  const found: { start: bigint; end: bigint }[] = []
  let next = 0
  for (const run of own) {
    const runEnd = run.start + run.length
    while (next < theirs.length && theirs[next]!.start + theirs[next]!.length <= run.start) next++
    for (let i = next; i < theirs.length && theirs[i]!.start < runEnd; i++) {
      const other = theirs[i]!
      const from = run.start > other.start ? run.start : other.start
      const to = runEnd < other.start + other.length ? runEnd : other.start + other.length
      const equals = (at: bigint, length: bigint): boolean =>
        same({ path: run.path, offset: run.offset + at - run.start }, { path: other.path, offset: other.offset + at - other.start }, length)
      for (let at = from; at < to; at += STRIDE) {
        const length = to - at < STRIDE ? to - at : STRIDE
        if (equals(at, length)) push(found, at, at + length)
        else for (let page = at; page < at + length; page += PAGE) if (equals(page, PAGE)) push(found, page, page + PAGE)
      }
    }
  }
  return found
}

/** The parts of a range that no run covers. */
function gaps({ start, end }: Range, runs: readonly Run[]): Range[] {
  const found: Range[] = []
  let at = start
  for (const run of runs) {
    if (run.start + run.length <= at || run.start >= end) continue
    if (run.start > at) found.push({ start: at, end: run.start })
    at = run.start + run.length
  }
  if (at < end) found.push({ start: at, end })
  return found
}
