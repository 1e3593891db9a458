import { describe, expect, test } from "bun:test"
import { MAP, prctlMmMap } from "../../../ffi/abi/mman.ts"
import { decode } from "../../../ffi/layout.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { restoreMm, restorePages, restoreProtection, restoreVmas } from "../../../src/kinds/memory/restore.ts"
import { holeFor, restoreSharedMemory, sealSharedMemory } from "../../../src/kinds/memory/shared.ts"
import { Program } from "../../../src/tracee/program.ts"
import { plan, vma } from "./sample.ts"

describe("restoreVmas", () => {
  const open = (program: Program) => (id: number, access: number) => program.call("openat", -100, program.string(`file ${id}`), access)
  const made = (vmas: readonly vma_entry[], filled = false) =>
    plan((program) => restoreVmas(vmas, open(program), () => filled, undefined, program))

  test("anonymous areas: writable while they are filled, as they will be else", () => {
    const area = vma(0x1000n, 0x3000n, { prot: 1 })
    expect(made([area])).toEqual(["#0 mmap(0x1000, 0x2000, 1, 0x100022, -1, 0) // VMA 0x1000-0x3000"])
    expect(made([area], true)).toEqual(["#0 mmap(0x1000, 0x2000, 3, 0x100022, -1, 0) // VMA 0x1000-0x3000"])
  })

  test("keeps flags that make the area; a lock comes later", () => {
    const { GROWSDOWN, NORESERVE, LOCKED, PRIVATE, ANONYMOUS } = MAP
    expect(made([vma(0x1000n, 0x2000n, { flags: PRIVATE | ANONYMOUS | GROWSDOWN | NORESERVE | LOCKED })])[0]).toStartWith(
      "#0 mmap(0x1000, 0x1000, 3, 0x104122, -1, 0)",
    )
  })

  test("a file is opened once for each access it needs, and closed when its last area is mapped", () => {
    const file = { shmid: 5n, status: VMA.REGULAR | VMA.FILE_PRIVATE, flags: MAP.PRIVATE, fdflags: 0 }
    const shared = { ...file, status: VMA.REGULAR | VMA.FILE_SHARED, flags: MAP.SHARED, fdflags: undefined }
    expect(
      made([vma(0x1000n, 0x2000n, file), vma(0x2000n, 0x3000n, { ...file, pgoff: 0x1000n, prot: 5 }), vma(0x5000n, 0x6000n, shared)]),
    ).toEqual([
      '#0 openat(-100, "file 5\\u0000", 0)',
      "#1 mmap(0x1000, 0x1000, 3, 0x100002, #0, 0) // VMA 0x1000-0x2000",
      "#2 mmap(0x2000, 0x1000, 5, 0x100002, #0, 0x1000) // VMA 0x2000-0x3000",
      '#3 openat(-100, "file 5\\u0000", 2)',
      "#4 mmap(0x5000, 0x1000, 3, 0x100001, #3, 0) // VMA 0x5000-0x6000",
      "#5 close(#0)",
      "#6 close(#3)",
    ])
  })

  test("the kernel's own areas and guards are not made", () => {
    expect(
      made([
        vma(0n, 1n, { status: VMA.REGULAR | VMA.VVAR }),
        vma(0n, 1n, { status: VMA.REGULAR | VMA.VDSO }),
        vma(0n, 1n, { status: VMA.VSYSCALL | VMA.ANON_PRIVATE }),
        vma(0n, 1n, { status: VMA.GUARD }),
      ]),
    ).toEqual([])
  })
})

describe("restorePages", () => {
  test("reads in parts of 512 KiB, each faulted in first; the parts cover the run", () => {
    const size = (1n << 20n) + 0x3000n
    const lines = plan((program) => restorePages([{ start: 0x100000n, length: size, offset: 0x5000n }], 7, program))
    expect(lines).toEqual([
      "#0 madvise(0x100000, 0x80000, 0x17) = any",
      "#1 pread64(7, 0x100000, 0x80000, 0x5000) // pages at 0x100000",
      "#2 madvise(0x180000, 0x80000, 0x17) = any",
      "#3 pread64(7, 0x180000, 0x80000, 0x85000) // pages at 0x180000",
      "#4 pread64(7, 0x200000, 0x3000, 0x105000) // pages at 0x200000",
    ])
  })
})

describe("restoreProtection", () => {
  const after = (vmas: readonly vma_entry[], filled: boolean, extension: Parameters<typeof restoreProtection>[1] = []) =>
    plan((program) => restoreProtection(vmas, extension, () => filled, undefined, program))

  test("takes write permission away only where it was given for the filling", () => {
    const [readOnly, writable] = [vma(0x1000n, 0x2000n, { prot: 1 }), vma(0x2000n, 0x3000n)]
    expect(after([readOnly, writable], true)).toEqual(["#0 mprotect(0x1000, 0x1000, 1) // VMA 0x1000-0x2000"])
    expect(after([readOnly, writable], false)).toEqual([])
    expect(after([vma(0x1000n, 0x2000n, { prot: 1, flags: MAP.SHARED })], true)).toEqual([])
  })

  test("guards first, for there can be none in a locked area; then advice and locks", () => {
    const locked = MAP.PRIVATE | MAP.ANONYMOUS | MAP.LOCKED
    const lines = after(
      [
        vma(0x1000n, 0x2000n, { madv: (1n << 10n) | (1n << 16n) }),
        vma(0x2000n, 0x3000n, { flags: locked }),
        vma(0x3000n, 0x4000n, { flags: locked }),
        vma(0x1000n, 0x2000n, { status: VMA.GUARD }),
      ],
      false,
      [{ start: 0x3000n, end: 0x4000n, locked_on_fault: true }],
    )
    expect(lines.map((line) => line.replace(/ \/\/.*/, ""))).toEqual([
      "#0 madvise(0x1000, 0x1000, 0x66)",
      "#1 madvise(0x1000, 0x1000, 0xa)",
      "#2 madvise(0x1000, 0x1000, 0x10)",
      "#3 mlock2(0x2000, 0x1000, 0) = 0 or ENOMEM",
      "#4 mlock2(0x3000, 0x1000, 1) = 0 or ENOMEM",
    ])
  })

  test("names come back where the kernel can", () => {
    expect(after([], false, [{ start: 0x1000n, end: 0x2000n, name: "arena" }])).toEqual([
      '#0 prctl(0x53564d41, 0, 0x1000, 0x1000, "arena\\u0000") = any',
    ])
  })
})

describe("restoreMm", () => {
  test("gives all bounds, the auxiliary vector and the executable in one call", () => {
    const names = [
      "start_code",
      "end_code",
      "start_data",
      "end_data",
      "start_brk",
      "brk",
      "start_stack",
      "arg_start",
      "arg_end",
      "env_start",
      "env_end",
    ] as const
    const mm = {
      ...Object.fromEntries(names.map((name, i) => [`mm_${name}`, BigInt(0x1000 * (i + 1))])),
      mm_saved_auxv: [33n, 5n, 0n, 0n],
    } as unknown as mm_entry
    const program = new Program()
    restoreMm(mm, 9, program)
    expect(program.describe()).toEqual([
      expect.stringMatching(/^#0 prctl\(0x23, 0xe, ".*"\.\.\., 0x68, 0\) \/\/ the bounds of the address space$/),
    ])
    const image = program.place(0x10000n, {})
    const at = 192 // header and one record
    const map = decode(prctlMmMap, image, at)
    expect(map).toMatchObject({ ...Object.fromEntries(names.map((name, i) => [name, BigInt(0x1000 * (i + 1))])), auxv_size: 32, exe_fd: 9 })
    expect(new DataView(image.buffer).getBigUint64(Number(map.auxv) - 0x10000, true)).toBe(33n)
  })
})

/** No pages to read. */
const NOTHING = { fd: -1, fills: [] }

describe("restoreSharedMemory", () => {
  const inode = { name: "/dev/zero", uid: 0, gid: 0, size: 0x2100n, shmid: 77, seals: 0, inode_id: 4n }

  test("shared anonymous memory is made as such and opened through map_files", () => {
    const lines = plan((program) =>
      restoreSharedMemory(inode, { fd: 5, fills: [{ start: 0x1000n, length: 0x1000n, offset: 0x8000n }] }, { hole: 0x700000n }, program),
    )
    expect(lines.map((line) => line.replace(/ \/\/.*/, ""))).toEqual([
      "#0 mmap(0x700000, 0x3000, 3, 0x100021, -1, 0)",
      '#1 openat(-100, "/proc/self/map_files/700000-703000\\u0000", 2)',
      "#2 munmap(0x700000, 0x3000)",
      "#3 lseek(#1, 0x1000, 0)",
      '#4 sendfile(#1, 5, "\\u0000\x80\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000", 0x1000)',
    ])
    expect(holeFor([inode, { ...inode, size: 0x9001n }])).toEqual({ size: 0xb000n, unit: 0x1000n })
    expect(holeFor([])).toEqual({ size: 0x2000n, unit: 0x1000n })
  })

  test("what had no memory reserved gets none", () => {
    expect(plan((program) => restoreSharedMemory(inode, NOTHING, { hole: 0x700000n, unreserved: true }, program))[0]).toStartWith(
      "#0 mmap(0x700000, 0x3000, 3, 0x104021, -1, 0)",
    )
  })

  test("shared anonymous memory belongs to who made it", () => {
    const lines = plan((program) =>
      restoreSharedMemory({ ...inode, uid: 3, gid: 4, mode: 0o100777 }, NOTHING, { hole: 0x700000n }, program),
    )
    expect(lines.at(-1)).toStartWith("#3 fchown(#1, 3, 4)")
  })

  test("a memfd gets size, owner, mode and contents, and its seals by a call for later", () => {
    const memfd = { ...inode, name: "named", uid: 3, gid: 4, mode: 0o100640, seals: 6 }
    const lines = plan((program) => restoreSharedMemory(memfd, NOTHING, { hole: 0x700000n }, program))
    expect(lines.map((line) => line.replace(/ \/\/.*/, ""))).toEqual([
      '#0 memfd_create("named\\u0000", 2)',
      "#1 ftruncate(#0, 0x2100)",
      "#2 fchown(#0, 3, 4)",
      "#3 fchmod(#0, 0x1a0)",
    ])
    const sealed = (seals: number) =>
      plan((program) => sealSharedMemory({ ...memfd, seals }, 9, program)).map((line) => line.replace(/ \/\/.*/, ""))
    expect([sealed(6), sealed(1), sealed(0)]).toEqual([["#0 fcntl(9, 0x409, 6)"], [], []])
    const filled = plan((program) =>
      restoreSharedMemory(memfd, { fd: 5, fills: [{ start: 0x2000n, length: 0x1000n, offset: 0n }] }, { hole: 0n }, program),
    )
    expect(filled.at(-1)).toContain(", 0x100) //")
    expect(
      plan((program) => restoreSharedMemory({ ...memfd, seals: 1, uid: 0, gid: 0, mode: undefined }, NOTHING, { hole: 0n }, program))[0],
    ).toStartWith('#0 memfd_create("named\\u0000", 0)')
  })
})
