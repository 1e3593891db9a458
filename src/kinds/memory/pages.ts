import { MAP, PAGE_IS, PAGEMAP_SCAN, PM, pageRegion, pmScanArg } from "../../../ffi/abi/mman.ts"
import { closeSync, openSync, readSync } from "../../../ffi/fs.ts"
import { decode, encodeInto } from "../../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../../ffi/syscall.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { PE, VMA } from "../../../proto/values.ts"
import { PAGE_SIZE, type Range } from "../../base/units.ts"

/** Pages that follow one another and are stored the same way. */
export interface PageRange extends Range {
  /** PE. */
  readonly flags: number
}

/** Pages in a row that count: their own, or under a guard. */
interface Region extends Range {
  readonly guard: boolean
}

const REGIONS = 4096
const ARGUMENT_SIZE = 128
const memory = allocate(ARGUMENT_SIZE + REGIONS * pageRegion.size)

/** All regions of a range with pages of their own (present or swapped, neither zero page nor file's) or guards, by PAGEMAP_SCAN. */
export function* scanRegions(fd: number, start: bigint, end: bigint, guards: boolean): Generator<Region> {
  const own = PAGE_IS.PRESENT | PAGE_IS.SWAPPED
  const not = PAGE_IS.PFNZERO | PAGE_IS.FILE
  const wanted = guards ? own | PAGE_IS.GUARD : own
  for (let at = start; at < end; ) {
    encodeInto(pmScanArg, memory.bytes, {
      size: pmScanArg.size,
      flags: 0,
      start: at,
      end,
      walk_end: 0,
      vec: memory.address + ARGUMENT_SIZE,
      vec_len: REGIONS,
      max_pages: 0,
      category_inverted: not,
      category_mask: not,
      category_anyof_mask: wanted,
      return_mask: guards ? PAGE_IS.GUARD : own,
    })
    const count = attempt("ioctl", fd, PAGEMAP_SCAN, memory.address)
    if (count < 0) throw new SyscallError("ioctl", errnoName(-count), [fd, PAGEMAP_SCAN])
    const walked = decode(pmScanArg, memory.bytes).walk_end
    let last = at
    for (let i = 0; i < count; i++) {
      const region = decode(pageRegion, memory.bytes, ARGUMENT_SIZE + i * pageRegion.size)
      last = region.end
      yield { start: region.start, end: region.end, guard: guards && (region.categories & PAGE_IS.GUARD) !== 0n }
    }
    // walk_end is that of the kernel's last full buffer of 512 regions, even when it went on to the end: only a full answer is unfinished.
    at = count < REGIONS ? end : walked > last ? walked : last
  }
}

/** The same from the entries of /proc/PID/pagemap, 8 bytes a page: for kernels before 6.7. The zero page is stored there as a page. */
export function* readRegions(fd: number, start: bigint, end: bigint): Generator<Region> {
  const entries = Buffer.alloc(8 * 65536)
  for (let at = start; at < end; ) {
    const pages = Number((end - at) / BigInt(PAGE_SIZE))
    const got = readSync(fd, entries, 0, Math.min(entries.length, pages * 8), Number(at / BigInt(PAGE_SIZE)) * 8) / 8
    if (got === 0) return
    let from = -1
    let guard = false
    for (let i = 0; i <= got; i++) {
      const entry = i < got ? entries.readBigUInt64LE(i * 8) : 0n
      const isGuard = (entry & PM.GUARD) !== 0n
      const own = isGuard || ((entry & (PM.PRESENT | PM.SWAP)) !== 0n && (entry & PM.FILE) === 0n)
      if (from >= 0 && (!own || isGuard !== guard)) {
        yield { start: at + BigInt(from * PAGE_SIZE), end: at + BigInt(i * PAGE_SIZE), guard }
        from = -1
      }
      if (own && from < 0) [from, guard] = [i, isGuard]
    }
    at += BigInt(got * PAGE_SIZE)
  }
}

/** What is kept of an area: all pages, those of its own and guards, guards alone (the pages are a file's, or may go), or nothing. */
function rule({ status, flags }: vma_entry): "all" | "own" | "guards" | "none" {
  if (status & (VMA.VDSO | VMA.AIORING)) return "all"
  if (status & (VMA.VVAR | VMA.VSYSCALL | VMA.GUARD) || !(status & VMA.REGULAR)) return "none"
  return status & (VMA.ANON_PRIVATE | VMA.FILE_PRIVATE) && !(flags & MAP.DROPPABLE) ? "own" : "guards"
}

/** Private anonymous pages may be served late by CRIU's lazy restore, but not locked or huge ones. Authority: REFERENCE 4.5. */
const pageFlags = ({ status, flags }: vma_entry): number =>
  status & VMA.ANON_PRIVATE && !(status & VMA.VDSO) && !(flags & (MAP.LOCKED | MAP.HUGETLB)) ? PE.PRESENT | PE.LAZY : PE.PRESENT

/**
 * Finds which pages of a stopped process must be stored, and its guard ranges.
 *
 * @param vmas ascending
 * @param guarded starts of those that may have guards; undefined = any may. Where pages are wanted guards are found anyway
 * @returns ascending, non-overlapping ranges
 * Kernel: fs/proc/task_mmu.c pagemap_scan_pmd_entry(), Documentation/admin-guide/mm/pagemap.rst
 */
export function findPages(
  pid: number,
  vmas: readonly vma_entry[],
  guarded?: ReadonlySet<bigint>,
): { ranges: PageRange[]; guards: Range[] } {
  const ranges: PageRange[] = []
  const guards: Range[] = []
  const fd = openSync(`/proc/${pid}/pagemap`, "r")
  try {
    const wanted = vmas.filter((vma) => rule(vma) === "own" || (rule(vma) === "guards" && (guarded?.has(vma.start) ?? true)))
    const groups = areaGroups(wanted)
    for (const { start, end, areas } of groups) {
      let next = 0
      for (const region of regionsOf(fd, start, end)) {
        // Regions and areas both ascend: cut each region at the bounds of the areas it covers.
        while (next < areas.length && (areas[next]?.end ?? 0n) <= region.start) next++
        for (let i = next; i < areas.length; i++) {
          const area = areas[i]
          if (!area || area.start >= region.end) break
          const from = region.start > area.start ? region.start : area.start
          const to = region.end < area.end ? region.end : area.end
          if (region.guard) guards.push({ start: from, end: to })
          else if (rule(area) === "own") ranges.push({ start: from, end: to, flags: pageFlags(area) })
        }
      }
    }
  } finally {
    closeSync(fd)
  }
  for (const { start, end, ...rest } of vmas) if (rule({ start, end, ...rest }) === "all") ranges.push({ start, end, flags: PE.PRESENT })
  ranges.sort((a, b) => (a.start < b.start ? -1 : 1))
  return { ranges, guards }
}

/** Areas in groups without a large hole: one scan a group. */
function areaGroups(vmas: readonly vma_entry[]): { start: bigint; end: bigint; areas: vma_entry[] }[] {
  const groups: { start: bigint; end: bigint; areas: vma_entry[] }[] = []
  for (const area of vmas) {
    const last = groups.at(-1)
    if (last && area.start - last.end < 1n << 30n) {
      last.areas.push(area)
      last.end = area.end
    } else groups.push({ start: area.start, end: area.end, areas: [area] })
  }
  return groups
}

/** Which way this kernel takes: found out at the first scan. */
let way: "guards" | "scan" | "entries" = "guards"

function* regionsOf(fd: number, start: bigint, end: bigint): Generator<Region> {
  while (way !== "entries") {
    try {
      yield* scanRegions(fd, start, end, way === "guards")
      return
    } catch (error) {
      // EINVAL: a category this kernel does not know; ENOTTY: no such ioctl. Both come before the first region.
      if (!(error instanceof SyscallError) || (error.errno !== "EINVAL" && error.errno !== "ENOTTY")) throw error
      way = way === "guards" ? "scan" : "entries"
    }
  }
  yield* readRegions(fd, start, end)
}

/** Pages in ranges. */
export const countPages = (ranges: readonly PageRange[]): number =>
  ranges.reduce((sum, { start, end }) => sum + Number((end - start) / BigInt(PAGE_SIZE)), 0)
