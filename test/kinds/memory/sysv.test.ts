import { describe, expect, test } from "bun:test"
import { MAP } from "../../../ffi/abi/mman.ts"
import { ipc_shm_entrySchema } from "../../../proto/gen/ipc-shm_pb.ts"
import { stasis_shm_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { collectVmas } from "../../../src/kinds/memory/collect.ts"
import { numberApart, type SharedMemory } from "../../../src/kinds/memory/shared.ts"
import { planShm } from "../../../src/kinds/memory/sysv/check.ts"
import { collectShm } from "../../../src/kinds/memory/sysv/collect.ts"
import { findAttached } from "../../../src/kinds/memory/sysv/mapping.ts"
import { attachedLengths, restoreAttachments, restoreShm, roomFor } from "../../../src/kinds/memory/sysv/restore.ts"
import { savedShm } from "../../../src/kinds/memory/sysv/saved.ts"
import { surveySysvSegments } from "../../../src/kinds/memory/sysv/survey.ts"
import { parseSmaps } from "../../../src/proc/smaps.ts"
import { parseShm } from "../../../src/proc/sysvipc.ts"
import { throughBytes } from "../fixture.ts"
import { plan, vma } from "./sample.ts"

const HEAD =
  "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime        rss       swap"
const LINE =
  "1509968826          7   640                 12293    10    11      2  1000  1001     0     3 1795849524          0 1795849525      61440          0"
const rows = parseShm(`${HEAD}\n${LINE}\n`)
const row = rows[0]!
const removed = { ...row, key: 0, mode: 0o1640 }
const ROOT = 10

describe("a segment", () => {
  test("as /proc/sysvipc/shm shows it; a key above 2^31 is printed as negative", () => {
    expect(row).toEqual({
      key: 1509968826,
      id: 7,
      mode: 0o640,
      size: 12293n,
      cpid: 10,
      lpid: 11,
      nattch: 2,
      uid: 1000,
      gid: 1001,
      cuid: 0,
      cgid: 3,
      ctime: 1795849525n,
    })
    expect(parseShm(`${HEAD}\n${LINE.replace("1509968826", "-1")}\n`)[0]?.key).toBe(0xffffffff)
  })

  test("survives the way through its images", () => {
    const { entry, extension } = collectShm(row, 0x5a001234)
    expect(throughBytes(ipc_shm_entrySchema, entry)).toEqual(entry)
    expect(entry).toEqual({
      desc: { key: 1509968826, uid: 1000, gid: 1001, cuid: 0, cgid: 3, mode: 0o640, id: 7 },
      size: 12293n,
      in_pagemaps: true,
    })
    expect(throughBytes(stasis_shm_entrySchema, extension)).toEqual({ id: 7, ctime: 1795849525n, creator: 10 })
    expect(collectShm(removed, 0x5a001234).extension.made_key).toBe(0x5a001234)
  })

  test("one of memfds gives way to a System V one of its number", () => {
    const of = (shmid: number) => ({ inode: { shmid } }) as SharedMemory
    expect(numberApart([of(1), of(7), of(9)], new Set([7])).map(({ inode }) => inode.shmid)).toEqual([1, 2, 9])
  })
})

const smaps = (line: string, vmFlags: string): string => `${line}\nSize: 4 kB\nVmFlags: ${vmFlags}\n`
const mappings = parseSmaps(
  smaps("1000-3000 rw-s 00001000 00:01 7 /SYSV5a001234 (deleted)", "rd wr sh mr mw me ms") +
    smaps("5000-9000 r--s 00000000 00:01 0 /SYSV00000000 (deleted)", "rd mr me ms") +
    smaps("a000-b000 rw-s 00000000 fe:00 7 /SYSV5a001234 (deleted)", "rd wr sh mr mw me ms"),
)

describe("attachments", () => {
  test("become areas with the segment's ID, though it may be 0; a file of that name is none", () => {
    const files = {
      mapped: () => 11,
      memory: () => 22,
      ring: () => 33,
      openMode: (mapping: { write: boolean }) => (mapping.write ? 2 : 0),
      lower: { stamp: () => undefined, open: () => undefined },
    }
    const [first, second, third] = collectVmas(mappings, [], files)
    const status = VMA.REGULAR | VMA.ANON_SHARED | VMA.SYSVIPC
    const flags = MAP.SHARED | MAP.ANONYMOUS
    expect(first).toMatchObject({ status, flags, shmid: 7n, pgoff: 0x1000n, fdflags: 2, prot: 3 })
    expect(second).toMatchObject({ status, flags, shmid: 0n, pgoff: 0n, fdflags: 0, prot: 1 })
    expect(third).toMatchObject({ status: VMA.REGULAR | VMA.FILE_SHARED, shmid: 11n })
  })

  test("count, against what the kernel counts", () => {
    const attached = findAttached([
      { pid: 5, mappings },
      { pid: 6, mappings: mappings.slice(0, 1) },
    ])
    expect([...attached.values()].map(({ id, count, madeKey }) => [id, count, madeKey])).toEqual([
      [7, 2, 0x5a001234],
      [0, 1, 0],
    ])
    const zero = { ...row, id: 0, nattch: 1 }
    expect(surveySysvSegments(attached, [row, zero], undefined)).toEqual([])
    const more = { ...row, nattch: 3 }
    expect(surveySysvSegments(attached, [more, zero], undefined)[0]?.what).toContain("3 attachments, of which the tree has 2")
    expect(surveySysvSegments(attached, [more, zero], new Map())).toEqual([])
    expect(surveySysvSegments(attached, [more, zero], new Map([[7, 99]]))[0]?.what).toContain("process 99 outside the tree")
    expect(surveySysvSegments(attached, [zero], undefined)[0]?.what).toContain("IPC namespace that is not ours")
  })
})

const { entry, extension } = collectShm(row, 0)
const saved = { entry, extension }
const area = (start: bigint, end: bigint, pgoff: bigint, more: Partial<vma_entry> = {}): vma_entry =>
  vma(start, end, { pgoff, shmid: 7n, status: VMA.REGULAR | VMA.ANON_SHARED | VMA.SYSVIPC, flags: MAP.SHARED, fdflags: 2, ...more })

describe("savedShm", () => {
  test.each([
    ["a segment that is not there", [], [], [area(0x1000n, 0x2000n, 0n)], "shows segment 7, which ipcns-shm.img does not have"],
    ["a part beyond the end", [entry], [extension], [area(0x1000n, 0x2000n, 0x4000n)], "beyond its end"],
    ["no extension", [entry], [], [], "says nothing of segment 7"],
    ["one ID twice", [entry, entry], [extension], [], "segment 7 is there twice"],
    ["no bytes", [{ ...entry, size: 0n }], [extension], [], "segment 7 has 0 bytes"],
  ])("%s is refused", (_, entries, extensions, vmas, found) => {
    expect(() => savedShm(entries, extensions, vmas)).toThrow(found)
  })
})

describe("planShm", () => {
  const unused = { ...row, nattch: 0 }
  test("what is there and unused is filled, what is gone is made", () => {
    expect(planShm([saved], [unused], ROOT)).toMatchObject([{ id: 7, way: "fill" }])
    expect(planShm([saved], [], ROOT)).toMatchObject([{ id: 7, way: "make", key: row.key, mode: 0o640 }])
    expect(planShm([saved], [{ ...unused, ctime: row.ctime + 9n }], row.cpid)).toMatchObject([{ way: "fill" }])
  })

  test("one that is gone needs a kernel that gives its ID again", () => {
    expect(() => planShm([saved], [], ROOT, false)).toThrow("there is no /proc/sys/kernel/shm_next_id")
    expect(planShm([saved], [unused], ROOT, false)).toMatchObject([{ way: "fill" }])
  })

  test("a removed one gets the key of its name, unless that is taken", () => {
    const gone = collectShm(removed, 0x5a001234)
    expect(planShm([gone], [], ROOT)).toMatchObject([{ way: "make", key: 0x5a001234 }])
    expect(planShm([gone], [{ ...unused, id: 8, key: 0x5a001234 }], ROOT)).toMatchObject([{ way: "make", key: 0 }])
  })

  test.each([
    ["used by others", [row], "other processes use it: it has 2 attachments"],
    ["of another size", [{ ...unused, size: 1n }], "another segment has this ID: its size was 12293 and is 1"],
    ["of another owner", [{ ...unused, uid: 5 }], "its uid was 1000 and is 5"],
    ["changed since", [{ ...unused, ctime: 1n, cpid: 77 }], "it was made or changed since the dump"],
    ["with its key taken", [{ ...unused, id: 8 }], "segment 8 has its key"],
    ["with its place taken", [{ ...unused, id: 32768 + 7, key: 5 }], "segment 32775 has its place in the kernel's table"],
  ])("one that is %s is refused", (_, there, found) => {
    expect(() => planShm([saved], there, ROOT)).toThrow(found)
  })
})

describe("restoreShm", () => {
  const self = { uid: 0, gid: 3 }
  const pages = () => ({ fd: 50, fills: [{ start: 0x1000n, length: 0x1000n, offset: 0n }] })

  test("makes a segment with its ID and owners, and fills it", () => {
    const made = planShm([saved], [], ROOT)
    expect(plan((program) => restoreShm(made, self, pages, 0x100000n, program))).toEqual([
      '#0 openat(-100, "/proc/sys/kernel/shm_next_id\\u0000", 1) // System V segment 7',
      '#1 write(#0, "7", 1) // System V segment 7',
      "#2 close(#0)",
      "#3 shmget(0x5a004bba, 0x3005, 0x7a0) // System V segment 7",
      expect.stringContaining("#4 shmctl(#3, 1, "),
      "#5 shmat(#3, 0x100000, 0) // System V segment 7",
      "#6 pread64(0x32, 0x101000, 0x1000, 0) // pages at 0x101000",
    ])
  })

  test("as its creator, and removes what was removed", () => {
    const gone = collectShm({ ...removed, uid: 9, cuid: 9, gid: 3 }, 0)
    const lines = plan((program) => restoreShm(planShm([gone], [], ROOT), self, () => undefined, 0x100000n, program))
    expect(lines.map((line) => line.replace(/^#\d+ | \/\/.*$/g, ""))).toEqual([
      expect.stringContaining("openat"),
      expect.stringContaining("write"),
      "close(#0)",
      "setresgid(-1, 3, -1)",
      "setresuid(-1, 9, -1)",
      "shmget(0, 0x3005, 0x7a0)",
      "setresuid(-1, 0, -1)",
      "setresgid(-1, 3, -1)",
      "prctl(4, 1, 0, 0, 0)",
      "shmat(#5, 0x100000, 0)",
      "shmctl(#5, 0, 0)",
    ])
  })

  test("what is there loses what it has meanwhile; pages beyond its end are refused", () => {
    const kept = planShm([saved], [{ ...row, nattch: 0 }], ROOT)
    expect(plan((program) => restoreShm(kept, self, () => undefined, 0x100000n, program))).toEqual([
      "#0 shmat(7, 0x100000, 0) // System V segment 7",
      "#1 madvise(0x100000, 0x4000, 9) // System V segment 7",
    ])
    const beyond = () => ({ fd: 50, fills: [{ start: 0x4000n, length: 0x1000n, offset: 0n }] })
    expect(() => plan((program) => restoreShm(kept, self, beyond, 0x100000n, program))).toThrow("beyond its 12293 bytes")
  })

  test("one of huge pages is made of such, and has room at a multiple of them; another user cannot make it", () => {
    const huge = collectShm(row, 0, 2n << 20n)
    expect(huge.entry.hugetlb_flag).toBe(0o4000 | (21 << 26))
    const made = planShm([huge], [], ROOT, true, 0)
    expect(roomFor([...planShm([saved], [], ROOT), ...made])).toEqual({ size: 0x401000n, unit: 0x200000n })
    expect(attachedLengths(made)).toEqual(new Map([[7, 0x200000n]]))
    const lines = plan((program) => restoreShm(made, self, pages, 0x200000n, program))
    expect(lines.filter((line) => /shmget|shmat|pread/.test(line)).map((line) => line.replace(/^#\d+ | \/\/.*$/g, ""))).toEqual([
      "shmget(0x5a004bba, 0x3005, 0x54000fa0)",
      "shmat(#3, 0x200000, 0)",
      "pread64(0x32, 0x201000, 0x1000, 0)",
    ])
    expect(() => planShm([huge], [], ROOT, true, 5)).toThrow("it has huge pages, and user 0 made it")
  })
})

describe("restoreAttachments", () => {
  const sizes = attachedLengths(planShm([saved], [], ROOT))
  const lines = (vmas: readonly vma_entry[]) =>
    plan((program) => restoreAttachments(vmas, sizes, 0x900000n, program)).map((line) => line.split(" //")[0])

  test("a whole one at its place, with the protection of its parts", () => {
    expect(lines([area(0x10000n, 0x11000n, 0n), area(0x11000n, 0x14000n, 0x1000n, { prot: 1 })])).toEqual([
      "#0 shmat(7, 0x10000, 0)",
      "#1 mprotect(0x11000, 0x3000, 1)",
    ])
    expect(lines([area(0x10000n, 0x14000n, 0n, { prot: 1, fdflags: 0 })])).toEqual(["#0 shmat(7, 0x10000, 0x1000)"])
  })

  test("what is left of one of huge pages at its place, unless something else is in the gap", () => {
    const huge = { flags: MAP.SHARED | MAP.HUGETLB | (21 << 26) }
    const part = area(0x400000n, 0x600000n, 0x200000n, huge)
    const of = (...vmas: vma_entry[]) =>
      plan((program) => restoreAttachments(vmas, new Map([[7, 0x400000n]]), 0x40000000n, program)).map((line) => line.split(" //")[0])
    expect(of(part)).toEqual(["#0 shmat(7, 0x200000, 0)", "#1 munmap(0x200000, 0x200000)"])
    expect(of(part, vma(0x300000n, 0x301000n))[0]).toBe("#0 shmat(7, 0x40000000, 0)")
  })

  test("what is left of one by way of another place; one that has grown keeps its length", () => {
    expect(lines([area(0x10000n, 0x11000n, 0n), area(0x13000n, 0x18000n, 0x3000n)])).toEqual([
      "#0 shmat(7, 0x900000, 0)",
      "#1 mmap(0x10000, 0x1000, 0, 0x104022, -1, 0)",
      "#2 mremap(0x900000, 0x1000, 0x1000, 3, 0x10000)",
      "#3 mmap(0x13000, 0x5000, 0, 0x104022, -1, 0)",
      "#4 mremap(0x903000, 0x1000, 0x5000, 3, 0x13000)",
      "#5 munmap(0x900000, 0x4000)",
    ])
  })
})
