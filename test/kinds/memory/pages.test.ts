import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs"
import { MAP } from "../../../ffi/abi/mman.ts"
import { allocate } from "../../../ffi/syscall.ts"
import { memfd_inode_entrySchema } from "../../../proto/gen/memfd_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { PE, VMA } from "../../../proto/values.ts"
import type { Range } from "../../../src/base/units.ts"
import { collectVmas, type MappedFiles } from "../../../src/kinds/memory/collect.ts"
import { countPages, findPages, type PageRange, readRegions, scanRegions } from "../../../src/kinds/memory/pages.ts"
import { collectSharedMemory } from "../../../src/kinds/memory/shared.ts"
import { readMaps } from "../../../src/proc/maps.ts"
import { readSmaps } from "../../../src/proc/smaps.ts"
import { canTrace, freeze, startTarget, type Target, why } from "../../tracee/fixture.ts"
import { throughBytes } from "../fixture.ts"

const PAGE = 4096n

/** Whether two pages that were only read are one page, the zero page. Some kernels give a page of its own even to a reader. */
function readersShareOnePage(): boolean {
  const { address, view } = allocate(2 * Number(PAGE))
  const entries = Buffer.alloc(16)
  expect(view.getUint8(0) + view.getUint8(Number(PAGE))).toBe(0)
  const fd = openSync("/proc/self/pagemap", "r")
  readSync(fd, entries, 0, 16, (address / Number(PAGE)) * 8)
  closeSync(fd)
  return entries.readBigUInt64LE(0) === entries.readBigUInt64LE(8)
}
const files: MappedFiles = {
  mapped: () => 1,
  memory: () => 2,
  ring: () => 3,
  openMode: () => 0,
  lower: { stamp: () => undefined, open: () => undefined },
}

describe.skipIf(!canTrace)(`pages of another process${why}`, () => {
  let target: Target
  let vmas: vma_entry[]
  beforeAll(async () => {
    target = await startTarget("memory", "file")
    vmas = collectVmas(readSmaps(target.pid), [], files)
  })
  afterAll(() => target[Symbol.dispose]())

  /** Numbers of the pages, counted from an address that target.c named, that ranges cover. */
  const pagesFrom = (name: string, count: number, ranges: readonly Range[]): number[] => {
    const base = target.at(name)
    const near = ranges.filter(({ start, end }) => start < base + BigInt(count) * PAGE && end > base)
    const pages = near.flatMap(({ start, end }) =>
      Array.from({ length: Number((end - start) / PAGE) }, (_, i) => Number((start - base) / PAGE) + i),
    )
    return pages.filter((page) => page >= 0 && page < count)
  }
  const flagsAt = (ranges: readonly PageRange[], address: bigint): number | undefined =>
    ranges.find(({ start, end }) => address >= start && address < end)?.flags

  test("findPages finds written pages, not untouched, dropped or only read ones", () => {
    const { ranges } = findPages(target.pid, vmas)
    expect(pagesFrom("mixed", 6, ranges)).toEqual([...(readersShareOnePage() ? [] : [1]), 2, 4, 5])
    expect(pagesFrom("hidden", 3, ranges)).toEqual([0, 1, 2])
    expect(pagesFrom("constant", 1, ranges)).toEqual([0])
    expect(pagesFrom("nowhere", 1, ranges)).toEqual([])
    expect(pagesFrom("large", 800, ranges).length).toBe(800)
    expect(pagesFrom("pieces", 10_000, ranges)).toEqual(Array.from({ length: 5000 }, (_, i) => 2 * i))
  })

  test("of a private file only what was written, of shared memory nothing", () => {
    const { ranges } = findPages(target.pid, vmas)
    expect(pagesFrom("file", 4, ranges)).toEqual([2])
    expect(pagesFrom("shared", 6, ranges)).toEqual([])
    expect(pagesFrom("memfd", 4, ranges)).toEqual([])
  })

  test("ranges ascend and do not overlap; the vdso is whole, the kernel's variables are left out", () => {
    const { ranges } = findPages(target.pid, vmas)
    expect(ranges.every(({ start, end }, i) => start < end && start >= (ranges[i - 1]?.end ?? 0n))).toBe(true)
    const [vdso, vvar] = [VMA.VDSO, VMA.VVAR].map((kind) => vmas.find(({ status }) => status & kind)!)
    expect(ranges.filter(({ start }) => start >= vdso!.start && start < vdso!.end)).toEqual([
      { start: vdso!.start, end: vdso!.end, flags: PE.PRESENT },
    ])
    expect(ranges.some(({ start, end }) => start < vvar!.end && end > vvar!.start)).toBe(false)
    expect(countPages(ranges)).toBe(ranges.reduce((sum, { start, end }) => sum + Number((end - start) / PAGE), 0))
  })

  test("only unlocked anonymous pages may be served late", () => {
    const { ranges } = findPages(target.pid, vmas)
    expect(flagsAt(ranges, target.at("large"))).toBe(PE.PRESENT | PE.LAZY)
    expect(flagsAt(ranges, target.at("file") + 2n * PAGE)).toBe(PE.PRESENT)
    const locked = vmas.map((vma) => ({ ...vma, flags: vma.flags | MAP.LOCKED }))
    expect(flagsAt(findPages(target.pid, locked).ranges, target.at("large"))).toBe(PE.PRESENT)
    const droppable = vmas.map((vma) => ({ ...vma, flags: (vma.flags & ~MAP.PRIVATE) | MAP.DROPPABLE }))
    expect(pagesFrom("large", 800, findPages(target.pid, droppable).ranges)).toEqual([])
  })

  test("a guard is found as such and its page is not stored", () => {
    const { ranges, guards } = findPages(target.pid, vmas)
    if (target.at("guarded") === 0n) {
      console.log("guards are not tested: this kernel has no MADV_GUARD_INSTALL (Linux 6.13)")
      return
    }
    const guardsFrom = (name: string): number[] => pagesFrom(name, 4, guards)
    expect(guardsFrom("guarded")).toEqual([1])
    expect(pagesFrom("guarded", 4, ranges)).toEqual([0, 2, 3])
    // In shared memory since Linux 6.15; all else of it is its file's.
    if (target.at("fenced") === 0n) return
    expect(guardsFrom("fenced")).toEqual([2])
    expect(pagesFrom("fenced", 4, ranges)).toEqual([])
    expect(guards).toHaveLength(2)
    expect(findPages(target.pid, vmas, new Set()).guards).toHaveLength(1)
    const droppable = vmas.map((vma) => ({ ...vma, flags: (vma.flags & ~MAP.PRIVATE) | MAP.DROPPABLE }))
    expect(pagesFrom("guarded", 4, findPages(target.pid, droppable).guards)).toEqual([1])
  })

  test("PAGEMAP_SCAN and the entries of pagemap say the same, but for the zero page", () => {
    using _frozen = freeze(target.pid)
    const fd = openSync(`/proc/${target.pid}/pagemap`, "r")
    try {
      for (const { start, end, status } of vmas) {
        if (!(status & (VMA.ANON_PRIVATE | VMA.FILE_PRIVATE)) || status & (VMA.VDSO | VMA.VVAR | VMA.VSYSCALL)) continue
        const scanned = [...scanRegions(fd, start, end, true)]
        const read = [...readRegions(fd, start, end)]
        const pages = (regions: typeof read): string[] =>
          regions.flatMap((region) =>
            Array.from(
              { length: Number((region.end - region.start) / PAGE) },
              (_, i) => `${region.start + BigInt(i) * PAGE} ${region.guard}`,
            ),
          )
        const known = new Set(pages(scanned))
        const listed = new Set(pages(read))
        const more = [...listed].filter((page) => !known.has(page))
        expect([...known].filter((page) => !listed.has(page))).toEqual([])
        for (const page of more) expect(isZero(BigInt(page.split(" ")[0]!))).toBe(true)
        expect(read.every((region, i) => region.start < region.end && region.start >= (read[i - 1]?.end ?? 0n))).toBe(true)
      }
      expect(pagesFrom("mixed", 6, [...readRegions(fd, target.at("mixed"), target.at("mixed") + 6n * PAGE)])).toEqual([1, 2, 4, 5])
      expect([...scanRegions(fd, target.at("mixed"), target.at("mixed") + 6n * PAGE, false)].some(({ guard }) => guard)).toBe(false)
    } finally {
      closeSync(fd)
    }
  })

  /** True when a page of the target holds nothing but zeros. */
  function isZero(address: bigint): boolean {
    const fd = openSync(`/proc/${target.pid}/mem`, "r")
    const bytes = Buffer.alloc(4096)
    readSync(fd, bytes, 0, 4096, Number(address))
    closeSync(fd)
    return bytes.every((byte) => byte === 0)
  }

  const linkOf = ({ start, end }: Range): string => `/proc/${target.pid}/map_files/${start.toString(16)}-${end.toString(16)}`

  test("collectSharedMemory: shared anonymous memory has the parts that hold data", () => {
    const mapping = readMaps(target.pid).find(({ start }) => start === target.at("shared"))!
    const { inode, ranges, source } = collectSharedMemory(linkOf(mapping), mapping.path, 9)
    expect(inode).toMatchObject({ name: "/dev/zero", size: 6n * PAGE, inode_id: 9n, shmid: Number(mapping.inode) })
    expect(ranges).toEqual([
      { start: PAGE, end: 2n * PAGE, flags: PE.PRESENT },
      { start: 4n * PAGE, end: 5n * PAGE, flags: PE.PRESENT },
    ])
    expect(source).toBe(linkOf(mapping))
    expect(readFileSync(linkOf(mapping)).subarray(4096, 4100).toString()).toBe("ssss")
    expect(throughBytes(memfd_inode_entrySchema, inode)).toEqual(inode)
  })

  test("collectSharedMemory: a memfd keeps name, size in bytes, mode and seals; its last page counts whole", () => {
    const mapping = readMaps(target.pid).find(({ start }) => start === target.at("memfd"))!
    const { inode, ranges, source } = collectSharedMemory(linkOf(mapping), mapping.path, 10)
    const fd = openSync(`${source}`, "r")
    expect(inode).toMatchObject({ name: "named", size: 3n * PAGE + 100n, seals: 2 | 4, mode: fstatSync(fd).mode, uid: 0, gid: 0 })
    closeSync(fd)
    expect(ranges).toEqual([{ start: 3n * PAGE, end: 4n * PAGE, flags: PE.PRESENT }])
  })
})
