import { describe, expect, test } from "bun:test"
import { MAP } from "../../../ffi/abi/mman.ts"
import { memfd_inode_entrySchema } from "../../../proto/gen/memfd_pb.ts"
import { vma_entrySchema } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { collectVmas, type MappedFiles } from "../../../src/kinds/memory/collect.ts"
import { neededPages, touchedPages } from "../../../src/kinds/memory/huge/need.ts"
import { hugeShortage } from "../../../src/kinds/memory/huge/pool.ts"
import { namedSize, pageSizeOf, sizeBits, usualSize } from "../../../src/kinds/memory/huge-size.ts"
import { type MemoryFacts, planInheritance, type Run } from "../../../src/kinds/memory/inherit.ts"
import { restoreVmas } from "../../../src/kinds/memory/restore.ts"
import { holeFor, restoreSharedMemory } from "../../../src/kinds/memory/shared.ts"
import { surveyMemory } from "../../../src/kinds/memory/survey.ts"
import { surveyWindows } from "../../../src/kinds/memory/windows.ts"
import { parseSmaps } from "../../../src/proc/smaps.ts"
import { throughBytes } from "../fixture.ts"
import { plan, vma } from "./sample.ts"

const MIB2 = 2n << 20n
const GIB = 1n << 30n
const BITS = MAP.HUGETLB | (21 << 26)
const PRIVATE = MAP.PRIVATE | MAP.ANONYMOUS | BITS
const withoutNotes = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/^#\d+ | \/\/.*$/g, ""))
const lower = { stamp: () => undefined, open: () => undefined }

test("page sizes stand in flags as the kernel has them; without one it is the usual size", () => {
  expect([sizeBits(MIB2), sizeBits(GIB)]).toEqual([21 << 26, 30 << 26])
  expect([namedSize(4 | (21 << 26)), namedSize(MAP.HUGETLB | (30 << 26)), namedSize(4)]).toEqual([MIB2, GIB, usualSize()])
  expect([pageSizeOf({ flags: PRIVATE }), pageSizeOf({ flags: MAP.PRIVATE })]).toEqual([MIB2, 4096n])
})

describe("collectVmas", () => {
  const files: MappedFiles = { mapped: () => 11, memory: () => 22, ring: () => 33, openMode: ({ shared }) => (shared ? 2 : 0), lower }
  const of = (line: string, vmFlags: string, size = 2048) =>
    parseSmaps(`${line}\nSize: 4096 kB\nKernelPageSize: ${size} kB\nVmFlags: ${vmFlags}\n`)
  const R = VMA.REGULAR
  test.each([
    [
      "private",
      of("40000000-40400000 rw-p 00200000 00:11 7 /anon_hugepage (deleted)", "rd wr mr mw me de ht"),
      { status: R | VMA.ANON_PRIVATE, flags: PRIVATE, shmid: 0n, pgoff: 0n },
    ],
    [
      "not reserved, of 1 GiB",
      of("40000000-80000000 rw-p 00000000 00:12 7 /anon_hugepage (deleted)", "rd wr de nr ht", 1048576),
      { status: R | VMA.ANON_PRIVATE, flags: MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE | MAP.HUGETLB | (30 << 26) },
    ],
    [
      "shared",
      of("40000000-40400000 rw-s 00200000 00:11 7 /anon_hugepage (deleted)", "rd wr sh ht"),
      { status: R | VMA.FILE_SHARED | VMA.MEMFD, flags: MAP.SHARED | BITS, shmid: 22n, pgoff: MIB2 },
    ],
    [
      "memfd, private",
      of("40000000-40400000 rw-p 00000000 00:11 7 /memfd:x (deleted)", "rd wr ht"),
      { status: R | VMA.FILE_PRIVATE | VMA.MEMFD, flags: MAP.PRIVATE | BITS, shmid: 22n },
    ],
    [
      "file of a mount",
      of("40000000-40400000 rw-s 00000000 00:28 7 /mnt/anon_hugepage", "rd wr sh ht"),
      { status: R | VMA.FILE_SHARED, flags: MAP.SHARED | BITS, shmid: 11n },
    ],
    [
      "System V",
      of("40000000-40400000 rw-s 00000000 00:11 7 /SYSV00000000 (deleted)", "rd wr sh ht"),
      { status: R | VMA.ANON_SHARED | VMA.SYSVIPC, flags: MAP.SHARED | MAP.ANONYMOUS | BITS, shmid: 7n },
    ],
  ])("huge pages: %s", (_, mappings, wanted) => {
    const [entry] = collectVmas(mappings, [], files)
    expect(entry).toMatchObject(wanted)
    expect(throughBytes(vma_entrySchema, entry!)).toEqual(entry!)
    expect(surveyMemory(7, mappings, () => undefined, lower)).toEqual([])
  })
})

test("a file of a mount is looked at by its name, what the kernel made is not", () => {
  const asked = (line: string) =>
    surveyMemory(7, parseSmaps(`${line}\nVmFlags: rd wr ht\n`), ({ path }) => ({ what: path, remedy: "keep its name" }), lower).map(
      ({ what }) => what,
    )
  expect(asked("40000000-40400000 rw-s 00000000 00:28 7 /mnt/file (deleted)")).toEqual(["/mnt/file"])
  expect(asked("40000000-40400000 rw-p 00000000 00:11 7 /anon_hugepage (deleted)")).toEqual([])
})

test("who may not open links keeps huge pages that are private alone", () => {
  const refused = (line: string) => surveyWindows(7, parseSmaps(`${line}\nVmFlags: rd wr ht\n`)).map(({ what }) => what)
  expect(refused("40000000-40400000 rw-p 00000000 00:11 7 /anon_hugepage (deleted)")).toEqual([])
  expect(refused("40000000-40400000 rw-s 00000000 00:28 7 /mnt/file")).toEqual([])
  for (const path of ["/anon_hugepage", "/memfd:x", "/SYSV00000000"])
    expect(refused(`40000000-40400000 rw-s 00000000 00:11 7 ${path} (deleted)`)).toEqual([`shared memory of huge pages ("${path}")`])
})

describe("restore", () => {
  test("an anonymous area is mapped with its page size, that of a file without", () => {
    const vmas = [
      vma(MIB2, 3n * MIB2, { flags: PRIVATE | MAP.NORESERVE }),
      vma(4n * MIB2, 5n * MIB2, { flags: MAP.SHARED | BITS, status: VMA.REGULAR | VMA.FILE_SHARED | VMA.MEMFD, shmid: 5n }),
    ]
    const lines = plan((program) =>
      restoreVmas(
        vmas,
        () => program.call("dup", 9),
        () => false,
        undefined,
        program,
      ),
    )
    expect(withoutNotes(lines)).toEqual([
      "mmap(0x200000, 0x400000, 3, 0x54144022, -1, 0)",
      "dup(9)",
      "mmap(0x800000, 0x200000, 3, 0x100001, #1, 0)",
      "close(#1)",
    ])
  })

  const NOTHING = { fd: -1, fills: [] }
  const inode = { name: "/anon_hugepage", uid: 0, gid: 0, size: 2n * MIB2, shmid: 77, seals: 1, inode_id: 4n, hugetlb_flag: 4 | (21 << 26) }
  const fill = { start: MIB2, length: 0x1000n, offset: 0x8000n }

  test("shared anonymous memory is made as such, and filled where it is mapped for a moment", () => {
    expect(throughBytes(memfd_inode_entrySchema, inode)).toEqual(inode)
    const lines = plan((program) => restoreSharedMemory(inode, { fd: 5, fills: [fill] }, { hole: 0x40000000n }, program))
    expect(withoutNotes(lines)).toEqual([
      "mmap(0x40000000, 0x400000, 3, 0x54144021, -1, 0)",
      'openat(-100, "/proc/self/map_files/40000000-40400000\\u0000", 2)',
      "pread64(5, 0x40200000, 0x1000, 0x8000)",
      "munmap(0x40000000, 0x400000)",
    ])
  })

  test("a memfd stands for it where links to mappings may not be opened", () => {
    const lines = withoutNotes(
      plan((program) => restoreSharedMemory(inode, { fd: 5, fills: [fill] }, { hole: 0x40000000n, mayFollow: false }, program)),
    )
    expect(lines.slice(0, 2)).toEqual(['memfd_create("anon_hugepage\\u0000", 0x54000004)', "ftruncate(#0, 0x400000)"])
    expect(lines).toContain("pread64(5, 0x40200000, 0x1000, 0x8000)")
  })

  test("a memfd gets its page size, and is mapped when there is something to fill", () => {
    const memfd = { ...inode, name: "named", seals: 6, mode: 0o100640 }
    expect(withoutNotes(plan((program) => restoreSharedMemory(memfd, { fd: 5, fills: [fill] }, { hole: 0x40000000n }, program)))).toEqual([
      'memfd_create("named\\u0000", 0x54000006)',
      "ftruncate(#0, 0x400000)",
      "mmap(0x40000000, 0x400000, 3, 0x104001, #0, 0)",
      "pread64(5, 0x40200000, 0x1000, 0x8000)",
      "munmap(0x40000000, 0x400000)",
      "fchmod(#0, 0x1a0)",
    ])
    expect(plan((program) => restoreSharedMemory(memfd, NOTHING, { hole: 0x40000000n }, program)).length).toBe(3)
    expect(holeFor([{ ...inode, hugetlb_flag: 0 }, memfd])).toEqual({ size: 2n * MIB2 + 0x1000n, unit: MIB2 })
  })

  test.each([
    ["a part of a page", { size: MIB2 + 0x1000n }, "is no multiple of its pages"],
    ["pages behind its end", { size: MIB2 }, "beyond its 2097152 bytes"],
  ])("%s is refused", (_, change, found) => {
    expect(() =>
      plan((program) => restoreSharedMemory({ ...inode, ...change }, { fd: 5, fills: [fill] }, { hole: 0x40000000n }, program)),
    ).toThrow(found)
  })
})

describe("planInheritance of huge pages", () => {
  const area = vma(MIB2, 3n * MIB2, { flags: PRIVATE })
  const facts = (...runs: Run[]) => ({ mm: { vmas: [{ ...area }] }, extension: [], runs }) as unknown as MemoryFacts
  const run = (start: bigint, offset = 0n): Run => ({ start, length: MIB2, offset, path: "pages" })
  const equal = () => true

  test("what nobody has touched comes by birth too, for fork gives no promise of pages", () => {
    expect(planInheritance(facts(), facts(), equal)?.kept.length).toBe(1)
    expect(planInheritance(facts(run(MIB2)), facts(run(MIB2)), equal)?.same).toEqual([{ start: MIB2, end: 2n * MIB2 }])
  })

  test("what only the parent has touched, and what has nothing in common, is made anew", () => {
    expect(planInheritance(facts(), facts(run(MIB2)), equal)).toBeUndefined()
    expect(planInheritance(facts(run(MIB2)), facts(run(MIB2), run(2n * MIB2)), equal)).toBeUndefined()
    expect(planInheritance(facts(run(MIB2)), facts(), equal)).toBeUndefined()
  })
})

describe("neededPages", () => {
  const at = (start: bigint, end: bigint) => ({ start, end })
  test("touchedPages counts each page once", () => {
    expect(touchedPages([], MIB2)).toBe(0)
    expect(touchedPages([at(MIB2 - 1n, MIB2 + 1n), at(5n, 6n), at(0n, MIB2), at(8n * MIB2, 9n * MIB2 + 1n)], MIB2)).toBe(4)
  })

  const area = vma(2n * MIB2, 6n * MIB2, { flags: PRIVATE })
  const process = { vmas: [area], filled: [at(2n * MIB2, 3n * MIB2), at(100n * MIB2, 101n * MIB2)], inherited: undefined }

  test("an area takes all of its pages, one without a promise and one that came by birth those that are filled", () => {
    expect(neededPages([process], [])).toEqual(new Map([[MIB2, 4]]))
    expect(neededPages([{ ...process, vmas: [{ ...area, flags: area.flags | MAP.NORESERVE }] }], [])).toEqual(new Map([[MIB2, 1]]))
    const inherited = { kept: [{ area, prot: 3 }], same: [], dropped: [] }
    expect(neededPages([process, { ...process, inherited }], [])).toEqual(new Map([[MIB2, 5]]))
    expect(neededPages([{ ...process, filled: [], inherited }], [])).toEqual(new Map())
  })

  test("ordinary memory and shared areas take none; segments what they have and promise, each size for itself", () => {
    const shared = vma(0n, MIB2, { flags: MAP.SHARED | BITS, status: VMA.REGULAR | VMA.FILE_SHARED })
    expect(neededPages([{ ...process, vmas: [shared, vma(8n * MIB2, 9n * MIB2)] }], [])).toEqual(new Map())
    const segments = [
      { flags: 4 | (21 << 26), parts: [at(0n, MIB2), at(0n, 2n * MIB2)] },
      { flags: 4 | (30 << 26), parts: [at(0n, 1n)] },
    ]
    expect(neededPages([process], segments)).toEqual(
      new Map([
        [MIB2, 6],
        [GIB, 1],
      ]),
    )
  })
})

describe("hugeShortage", () => {
  const pools = new Map([[MIB2, { total: 10, available: 3 }]])
  const other = usualSize() === MIB2 ? GIB : MIB2 << 4n
  test("nothing is said when there are enough", () => expect(hugeShortage(new Map([[MIB2, 3]]), pools)).toEqual([]))

  test("says how many are missing, and how many there must be in all", () => {
    const [one] = hugeShortage(new Map([[MIB2, 5]]), pools)
    expect([one?.code, one?.found]).toEqual(["E_KERNEL", "it needs 5 huge pages of 2 MiB, of which 3 are free and promised to nobody"])
    expect(one?.next).toMatch(/(vm\.nr_hugepages=12|echo 12 > .*-2048kB\/nr_hugepages)$/)
    const [gib] = hugeShortage(new Map([[other, 1]]), new Map([[other, { total: 0, available: -1 }]]))
    expect(gib?.next).toMatch(/echo 2 > \/sys\/kernel\/mm\/hugepages\/hugepages-\d+kB\/nr_hugepages$/)
    expect(gib?.found).toContain("of which 0 are free")
  })

  test("a size that the kernel does not have", () => {
    expect(hugeShortage(new Map([[1n << 29n, 1]]), pools)[0]?.found).toBe(
      "it needs 1 huge page of 512 MiB, and this kernel has none of that size",
    )
  })
})
