import { describe, expect, test } from "bun:test"
import { TASK_SIZE } from "../../../ffi/abi/mman.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import type { Range } from "../../../src/base/units.ts"
import { overlaps } from "../../../src/kinds/memory/holes.ts"
import { clearAddressSpace } from "../../../src/kinds/memory/restore.ts"
import { planVdso, restoreVdso } from "../../../src/kinds/memory/vdso.ts"
import { parseMaps } from "../../../src/proc/maps.ts"
import { failureOf } from "../../harness/failure.ts"
import { plan, vma } from "./sample.ts"

/** A new process: vvar, vvar_vclock and vdso behind one another at 0x10000. */
const special = parseMaps(
  "10000-14000 r--p 00000000 00:00 0 [vvar]\n14000-16000 r--p 00000000 00:00 0 [vvar_vclock]\n16000-18000 r-xp 00000000 00:00 0 [vdso]\n20000-21000 rw-p 00000000 00:00 0 [stack]\n",
)
const vvarAt = (start: bigint, size = 0x6000n) => vma(start, start + size, { status: VMA.REGULAR | VMA.VVAR })
const vdsoAt = (start: bigint, size = 0x2000n) => vma(start, start + size, { status: VMA.REGULAR | VMA.VDSO })

describe("planVdso", () => {
  test("places each mapping in the entry of its kind, one behind the other", () => {
    const moves = planVdso([vvarAt(0x100000n), vma(0x1n, 0x2n), vdsoAt(0x200000n)], special)
    expect(moves).toEqual([
      { from: { start: 0x10000n, end: 0x14000n }, to: { start: 0x100000n, end: 0x104000n } },
      { from: { start: 0x14000n, end: 0x16000n }, to: { start: 0x104000n, end: 0x106000n } },
      { from: { start: 0x16000n, end: 0x18000n }, to: { start: 0x200000n, end: 0x202000n } },
    ])
  })

  test("images without any need none", () => expect(planVdso([vma(0x1000n, 0x2000n)], special)).toBeUndefined())

  test("moves only what the images have: the program may have unmapped the rest", () => {
    expect(planVdso([vvarAt(0x100000n)], special)).toEqual([
      { from: { start: 0x10000n, end: 0x14000n }, to: { start: 0x100000n, end: 0x104000n } },
      { from: { start: 0x14000n, end: 0x16000n }, to: { start: 0x104000n, end: 0x106000n } },
    ])
    expect(planVdso([vdsoAt(0x200000n)], special)).toEqual([
      { from: { start: 0x16000n, end: 0x18000n }, to: { start: 0x200000n, end: 0x202000n } },
    ])
  })

  const wrong: readonly (readonly [string, vma_entry[], string])[] = [
    ["another size of the vdso", [vvarAt(0x100000n), vdsoAt(0x200000n, 0x1000n)], "the images have 4096 bytes of vdso, this kernel 8192"],
    ["another size of vvar", [vvarAt(0x100000n, 0x4000n), vdsoAt(0x200000n)], "the images have 16384 bytes of vvar, this kernel 24576"],
    ["two of a kind", [vvarAt(0x100000n), vdsoAt(0x200000n, 0x1000n), vdsoAt(0x300000n, 0x1000n)], "8192 bytes of vdso"],
  ]
  for (const [name, vmas, found] of wrong)
    test(`refuses ${name}`, () => {
      expect(failureOf(() => planVdso(vmas, special))).toMatchObject({ code: "E_IMAGE_UNSUPPORTED", found: expect.stringContaining(found) })
    })
})

describe("restoreVdso", () => {
  /** Replays moves on ranges and tells where they are in the end. @throws Error when one lands on another or on a kept range */
  function replay(lines: readonly string[], from: readonly Range[], keep: readonly Range[]): bigint[] {
    const places = from.map(({ start, end }) => ({ start, end }))
    for (const line of lines) {
      const [, at = "", size = "", , , to = ""] = /mremap\(([^,]+), ([^,]+), ([^,]+), ([^,]+), ([^)]+)\)/.exec(line) ?? []
      const moved = places.findIndex(({ start }) => start === BigInt(at))
      const place = { start: BigInt(to), end: BigInt(to) + BigInt(size) }
      for (const other of [...places.filter((_, i) => i !== moved), ...keep])
        if (overlaps(place, other)) throw new Error(`${line} lands on ${other.start}`)
      // mremap refuses to move a range onto itself
      if (overlaps(place, places[moved]!)) throw new Error(`${line} overlaps itself`)
      places[moved] = place
    }
    return places.map(({ start }) => start)
  }
  const keep = [{ start: 0x900000n, end: 0xa00000n }]

  test("without a clash each moves once", () => {
    const moves = planVdso([vvarAt(0x100000n), vdsoAt(0x200000n)], special)!
    const lines = plan((program) => restoreVdso(moves, keep, program))
    expect(lines).toEqual([
      "#0 mremap(0x10000, 0x4000, 0x4000, 3, 0x100000) // the vdso",
      "#1 mremap(0x14000, 0x2000, 0x2000, 3, 0x104000) // the vdso",
      "#2 mremap(0x16000, 0x2000, 0x2000, 3, 0x200000) // the vdso",
    ])
  })

  test("whatever the places are, none lands on another, and all arrive", () => {
    for (const vvar of [0x10000n, 0x11000n, 0x12000n, 0x16000n, 0x18000n, 0xe000n, 0x400000n])
      for (const vdso of [0x16000n, 0x10000n, 0x17000n, 0x14000n, 0x1e000n, 0x8000n, 0x500000n]) {
        const [a, b] = [vvarAt(vvar), vdsoAt(vdso)]
        if (overlaps(a, b)) continue
        const moves = planVdso([a, b], special)!
        const lines = plan((program) => restoreVdso(moves, keep, program))
        expect(
          replay(
            lines,
            moves.map(({ from }) => from),
            keep,
          ),
        ).toEqual(moves.map(({ to }) => to.start))
      }
  })

  test("clearAddressSpace unmaps all but what is kept and what moves, before it moves", () => {
    const moves = planVdso([vvarAt(0x100000n), vdsoAt(0x200000n)], special)!
    const lines = plan((program) => clearAddressSpace(moves, [keep[0]!], program))
    expect(lines.slice(0, 3)).toEqual([
      "#0 munmap(0, 0x10000)",
      "#1 munmap(0x18000, 0x8e8000)",
      `#2 munmap(0xa00000, 0x${(TASK_SIZE - 0xa00000n).toString(16)})`,
    ])
    expect(lines.length).toBe(6)
  })
})
