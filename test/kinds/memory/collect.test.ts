import { describe, expect, test } from "bun:test"
import { MAP } from "../../../ffi/abi/mman.ts"
import { mm_entrySchema } from "../../../proto/gen/mm_pb.ts"
import { stasis_vma_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { vma_entrySchema } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { collectMm, collectVmaExtension, collectVmas, type MappedFiles } from "../../../src/kinds/memory/collect.ts"
import { surveyMemory } from "../../../src/kinds/memory/survey.ts"
import type { MappingDetail } from "../../../src/proc/smaps.ts"
import { parseSmaps } from "../../../src/proc/smaps.ts"
import { parseStat } from "../../../src/proc/stat.ts"
import { throughBytes } from "../fixture.ts"

/** One mapping of smaps as the kernel prints it. */
const smaps = (line: string, vmFlags: string, more = ""): string => `${line}\nSize: 4 kB\n${more}VmFlags: ${vmFlags}\n`
const oneOf = (line: string, vmFlags: string, more = "") => parseSmaps(smaps(line, vmFlags, more))[0]!

/** Files by fixed ids: 11 for files, 22 for shared memory; mode 2 where the mapping is shared. */
const files: MappedFiles = {
  mapped: () => 11,
  memory: () => 22,
  ring: () => 33,
  openMode: ({ shared }) => (shared ? 2 : 0),
  lower: { stamp: () => undefined, open: () => undefined },
}

const R = VMA.REGULAR
const ANONYMOUS = MAP.PRIVATE | MAP.ANONYMOUS
const rows: readonly (readonly [name: string, line: string, vmFlags: string, entry: Partial<vma_entry>])[] = [
  [
    "anonymous",
    "1000-3000 rw-p 00000000 00:00 0",
    "rd wr mr mw me ac",
    { start: 0x1000n, end: 0x3000n, status: R | VMA.ANON_PRIVATE, flags: ANONYMOUS, prot: 3, shmid: 0n, pgoff: 0n, fd: -1n },
  ],
  ["no access", "1000-3000 ---p 00000000 00:00 0", "mr mw me", { prot: 0, status: R | VMA.ANON_PRIVATE, flags: ANONYMOUS }],
  ["not reserved", "1000-3000 ---p 00000000 00:00 0", "mr mw me nr", { flags: ANONYMOUS | MAP.NORESERVE }],
  ["named", "1000-3000 rw-p 00000000 00:00 0 [anon:arena]", "rd wr", { status: R | VMA.ANON_PRIVATE, flags: ANONYMOUS }],
  ["heap", "1000-3000 rw-p 00000000 00:00 0 [heap]", "rd wr", { status: R | VMA.ANON_PRIVATE | VMA.HEAP, flags: ANONYMOUS }],
  [
    "stack",
    "1000-3000 rw-p 00000000 00:00 0 [stack]",
    "rd wr mr mw me gd ac",
    { status: R | VMA.ANON_PRIVATE, flags: ANONYMOUS | MAP.GROWSDOWN },
  ],
  ["locked", "1000-3000 rw-p 00000000 00:00 0", "rd wr lo", { flags: ANONYMOUS | MAP.LOCKED }],
  ["droppable", "1000-3000 rw-p 00000000 00:00 0", "rd wr dp", { flags: MAP.DROPPABLE | MAP.ANONYMOUS }],
  [
    "private file",
    "1000-3000 r-xp 00002000 fe:00 77 /bin/x",
    "rd ex",
    { status: R | VMA.FILE_PRIVATE, flags: MAP.PRIVATE, prot: 5, shmid: 11n, pgoff: 0x2000n, fdflags: 0 },
  ],
  [
    "shared file",
    "1000-3000 rw-s 00001000 fe:00 77 /tmp/x",
    "rd wr sh",
    { status: R | VMA.FILE_SHARED, flags: MAP.SHARED, shmid: 11n, pgoff: 0x1000n, fdflags: 2 },
  ],
  [
    "shared anonymous",
    "1000-3000 rw-s 00000000 00:01 1042 /dev/zero (deleted)",
    "rd wr sh mr mw me",
    { status: R | VMA.FILE_SHARED | VMA.MEMFD, flags: MAP.SHARED, shmid: 22n, fdflags: 2 },
  ],
  [
    "shared anonymous, with a name of the program's",
    "1000-3000 rw-s 00000000 00:01 1042 [anon_shmem:name]",
    "rd wr sh mr mw me",
    { status: R | VMA.FILE_SHARED | VMA.MEMFD, flags: MAP.SHARED, shmid: 22n, fdflags: 2 },
  ],
  [
    "memfd, shared",
    "1000-3000 rw-s 00001000 00:01 1042 /memfd:name (deleted)",
    "rd wr sh mr mw me",
    { status: R | VMA.FILE_SHARED | VMA.MEMFD, shmid: 22n, pgoff: 0x1000n },
  ],
  [
    "memfd, mapped under F_SEAL_FUTURE_WRITE",
    "1000-3000 r--s 00000000 00:01 1042 /memfd:name (deleted)",
    "rd sh mr me",
    { status: R | VMA.FILE_SHARED | VMA.MEMFD, shmid: 22n, fdflags: 0 },
  ],
  [
    "memfd, private",
    "1000-3000 rw-p 00000000 00:01 1042 /memfd:name (deleted)",
    "rd wr",
    { status: R | VMA.FILE_PRIVATE | VMA.MEMFD, flags: MAP.PRIVATE, shmid: 22n },
  ],
  ["vdso", "1000-3000 r-xp 00000000 00:00 0 [vdso]", "rd ex de", { status: R | VMA.VDSO | VMA.ANON_PRIVATE, flags: ANONYMOUS, prot: 5 }],
  ["vvar", "1000-3000 r--p 00000000 00:00 0 [vvar]", "rd io dd pf", { status: R | VMA.VVAR | VMA.ANON_PRIVATE, prot: 1 }],
  [
    "vsyscall",
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
    "ex",
    { status: VMA.VSYSCALL | VMA.ANON_PRIVATE, prot: 4, end: 0xffffffffff601000n },
  ],
]

describe("collectVmas", () => {
  for (const [name, line, vmFlags, wanted] of rows)
    test(name, () => {
      const [entry] = collectVmas([oneOf(line, vmFlags)], [], files)
      expect(entry).toMatchObject(wanted)
      expect(throughBytes(vma_entrySchema, entry!)).toEqual(entry!)
    })

  test("each advice that VmFlags show is a bit of madv; none leaves it out", () => {
    const flags = { rr: 1, sr: 2, dc: 10, mg: 12, hg: 14, nh: 15, dd: 16, wf: 18 }
    for (const [flag, advice] of Object.entries(flags))
      expect(collectVmas([oneOf("1000-2000 rw-p 0 00:00 0", `rd ${flag}`)], [], files)[0]?.madv).toBe(1n << BigInt(advice))
    expect(collectVmas([oneOf("1000-2000 rw-p 00000000 00:00 0", "rd wr dc dd")], [], files)[0]?.madv).toBe((1n << 10n) | (1n << 16n))
    expect("madv" in collectVmas([oneOf("1000-2000 rw-p 00000000 00:00 0", "rd wr")], [], files)[0]!).toBe(false)
  })

  test("[vvar] and [vvar_vclock] are one entry where they touch", () => {
    const text =
      smaps("1000-5000 r--p 00000000 00:00 0 [vvar]", "rd io") +
      smaps("5000-7000 r--p 00000000 00:00 0 [vvar_vclock]", "rd io") +
      smaps("7000-9000 r-xp 00000000 00:00 0 [vdso]", "rd ex")
    expect(collectVmas(parseSmaps(text), [], files).map(({ start, end, status }) => [start, end, status])).toEqual([
      [0x1000n, 0x7000n, R | VMA.VVAR | VMA.ANON_PRIVATE],
      [0x7000n, 0x9000n, R | VMA.VDSO | VMA.ANON_PRIVATE],
    ])
  })

  test("guards come last, as entries of their own without pages", () => {
    const entries = collectVmas([oneOf("1000-9000 rw-p 00000000 00:00 0", "rd wr")], [{ start: 0x2000n, end: 0x3000n }], files)
    expect(entries.length).toBe(2)
    expect(entries[1]).toEqual({ start: 0x2000n, end: 0x3000n, pgoff: 0n, shmid: 0n, prot: 0, flags: 0, status: VMA.GUARD, fd: -1n })
    expect(throughBytes(vma_entrySchema, entries[1]!)).toEqual(entries[1]!)
  })
})

describe("collectVmaExtension", () => {
  test("keeps names of anonymous areas and locks on fault, and nothing else", () => {
    const text = [
      smaps("1000-2000 rw-p 00000000 00:00 0 [anon:glibc: malloc]", "rd wr"),
      smaps("2000-3000 rw-s 00000000 00:01 9 [anon_shmem:shared]", "rd wr sh"),
      smaps("3000-4000 rw-p 00000000 00:00 0", "rd wr lo lf"),
      smaps("4000-5000 rw-p 00000000 00:00 0 [heap]", "rd wr lo"),
    ].join("")
    const entries = collectVmaExtension(parseSmaps(text))
    expect(entries).toEqual([
      { start: 0x1000n, end: 0x2000n, name: "glibc: malloc" },
      { start: 0x2000n, end: 0x3000n, name: "shared" },
      { start: 0x3000n, end: 0x4000n, locked_on_fault: true },
    ])
    for (const entry of entries) expect(throughBytes(stasis_vma_entrySchema, entry)).toMatchObject(entry)
  })
})

describe("collectMm", () => {
  test("has the bounds of /proc/PID/stat, the break that the process told, and survives its image", async () => {
    const stat = parseStat(await Bun.file("/proc/self/stat").text())
    const vmas = collectVmas([oneOf("1000-3000 rw-p 00000000 00:00 0", "rd wr")], [], files)
    const mm = collectMm(stat, 0x77000n, [33n, 0x7000n, 16n, 1n], vmas, 5)
    expect(mm).toMatchObject({
      mm_brk: 0x77000n,
      mm_start_code: BigInt(stat.startcode),
      mm_env_end: BigInt(stat.env_end),
      exe_file_id: 5,
      vmas,
    })
    expect(throughBytes(mm_entrySchema, mm)).toEqual(mm)
  })
})

describe("surveyMemory", () => {
  const refused: readonly (readonly [line: string, vmFlags: string, what: string, more?: string])[] = [
    ["1000-2000 rw-s 00001000 00:0f 3 /[aio] (deleted)", "rd wr sh", "a part of an AIO ring"],
    ["1000-2000 rw-s 00000000 00:0f 3 anon_inode:[io_uring]", "rd wr sh", "a mapping of a kernel object"],
    ["1000-2000 rw-s 00000000 00:09 3 socket:[3]", "rd wr sh", "rings of a packet socket that the process does not have open"],
    ["1000-2000 rw-p 00000000 00:00 0", "rd wr ss", "a shadow stack"],
    ["1000-2000 r--p 00000000 fe:00 3 /bin/x", "rd sl", "a sealed mapping"],
    ["1000-2000 rw-s 00000000 00:05 3 /dev/mem", "rd wr sh io pf", "memory of a device"],
    ["1000-2000 r-xp 00000000 fe:00 3 /bin/x (deleted)", "rd ex", "/bin/x, removed"],
  ]
  const noLower = { stamp: () => undefined, open: () => undefined }
  const refuseFile = ({ path, deleted }: MappingDetail) => (deleted ? { what: `${path}, removed`, remedy: "keep its name" } : undefined)
  for (const [line, vmFlags, what, more] of refused)
    test(`refuses ${what}`, () => {
      const [refusal, ...others] = surveyMemory(7, [oneOf(line, vmFlags, more)], refuseFile, noLower)
      expect(others).toEqual([])
      expect(refusal).toMatchObject({ what, where: expect.stringMatching(/^task 7 VMA 0x1000-0x2000/) })
      expect(refusal?.remedy.length).toBeGreaterThan(10)
    })

  test("refuses none of the kinds that are collected", () => {
    expect(
      surveyMemory(
        7,
        rows.map(([, line, vmFlags]) => oneOf(line, vmFlags)),
        refuseFile,
        noLower,
      ),
    ).toEqual([])
  })
})
