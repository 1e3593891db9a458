import { MAP } from "../../../../ffi/abi/mman.ts"
import type { vma_entry } from "../../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../../proto/values.ts"
import { type Range, roundUp } from "../../../base/units.ts"
import { isHuge, namedSize, pageSizeOf } from "../huge-size.ts"
import type { Inheritance } from "../inherit.ts"

/** Huge pages by their size in bytes. */
export type HugePages = ReadonlyMap<bigint, number>

/** A process that makes its own memory. */
export interface HugeProcess {
  readonly vmas: readonly vma_entry[]
  /** Pages that are read from images; what comes by birth is not among them. */
  readonly filled: readonly Range[]
  readonly inherited: Inheritance | undefined
}

/** Shared memory of huge pages. */
export interface HugeSegment {
  /** Flags that name the page size. */
  readonly flags: number
  /** What has pages or a promise of them: parts of it, bytes. */
  readonly parts: readonly Range[]
}

/** Pages that ranges touch. @param pageSize bytes */
export function touchedPages(ranges: readonly Range[], pageSize: bigint): number {
  let end = 0n
  let pages = 0n
  for (const range of [...ranges].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const from = range.start / pageSize
    const start = from > end ? from : end
    const to = roundUp(range.end, pageSize) / pageSize
    if (to > start) pages += to - start
    if (to > end) end = to
  }
  return Number(pages)
}

const within = (ranges: readonly Range[], { start, end }: Range): Range[] =>
  ranges.flatMap((range) => {
    const from = range.start > start ? range.start : start
    const to = range.end < end ? range.end : end
    return from < to ? [{ start: from, end: to }] : []
  })

/**
 * Huge pages that a restore takes out of the machine's pools: those that are filled, and those that the kernel promises to an area when it
 * is mapped. MAP_NORESERVE asks for no promise, and what a child has by fork gets none.
 *
 * Not counted: shared areas of files that have a name, for nobody knows what they have by then.
 * Kernel: mm/hugetlb.c hugetlb_reserve_pages(); Documentation/mm/hugetlbfs_reserv.rst
 */
export function neededPages(processes: readonly HugeProcess[], segments: readonly HugeSegment[]): HugePages {
  const needed = new Map<bigint, number>()
  const add = (pageSize: bigint, pages: number): void => void needed.set(pageSize, (needed.get(pageSize) ?? 0) + pages)
  for (const { vmas, filled, inherited } of processes) {
    const kept = new Set(inherited?.kept.map(({ area }) => area))
    for (const vma of vmas) {
      if (!isHuge(vma) || !(vma.status & (VMA.ANON_PRIVATE | VMA.FILE_PRIVATE))) continue
      const isPromised = !(vma.flags & MAP.NORESERVE) && !kept.has(vma)
      const pageSize = pageSizeOf(vma)
      add(pageSize, touchedPages(isPromised ? [vma] : within(filled, vma), pageSize))
    }
  }
  for (const { flags, parts } of segments) add(namedSize(flags), touchedPages(parts, namedSize(flags)))
  return new Map([...needed].filter(([, pages]) => pages > 0))
}
