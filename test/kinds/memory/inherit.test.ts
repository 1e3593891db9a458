import { describe, expect, test } from "bun:test"
import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { alikeAreas, type MemoryFacts, planInheritance, type Run, type SameBytes } from "../../../src/kinds/memory/inherit.ts"
import { restoreInherited, restoreProtection, restoreVmas } from "../../../src/kinds/memory/restore.ts"
import { plan, vma } from "./sample.ts"

const facts = (vmas: vma_entry[], runs: Run[] = [], extension: MemoryFacts["extension"] = []): MemoryFacts => ({
  mm: { vmas } as mm_entry,
  extension,
  runs,
})
const run = (start: bigint, pages: number, offset = 0n, path = "pages"): Run => ({ start, length: BigInt(pages) * 0x1000n, offset, path })

describe("alikeAreas", () => {
  const area = vma(0x10000n, 0x20000n)
  const pairs = (child: vma_entry, parent = area) => alikeAreas(facts([child]), facts([parent])).length

  test("takes what differs in protection and locks alone", () => {
    expect(pairs({ ...area })).toBe(1)
    expect(alikeAreas(facts([{ ...area, prot: PROT.READ }]), facts([area]))).toEqual([{ area: { ...area, prot: PROT.READ }, prot: 3 }])
    expect(pairs({ ...area, flags: area.flags | MAP.LOCKED })).toBe(1)
  })

  const others: readonly (readonly [string, Partial<vma_entry>])[] = [
    ["what has grown upwards", { end: 0x21000n }],
    ["what has grown downwards", { start: 0xf000n }],
    ["shared memory", { flags: MAP.SHARED, status: VMA.REGULAR | VMA.FILE_SHARED }],
    ["another file", { shmid: 5n }],
    ["other advice", { madv: 1n << 14n }],
    ["the vdso", { status: VMA.REGULAR | VMA.VDSO | VMA.ANON_PRIVATE }],
  ]
  for (const [name, more] of others) test(`leaves out ${name}`, () => expect(pairs({ ...area, ...more })).toBe(0))

  test("takes a part of what the parent has, of a file at the same place", () => {
    expect(pairs({ ...area, start: 0x11000n, end: 0x12000n })).toBe(1)
    const file = { ...area, shmid: 5n, flags: MAP.PRIVATE, status: VMA.REGULAR | VMA.FILE_PRIVATE, pgoff: 0x3000n }
    expect(pairs({ ...file, start: 0x11000n, pgoff: 0x4000n }, file)).toBe(1)
    expect(pairs({ ...file, start: 0x11000n, pgoff: 0x3000n }, file)).toBe(0)
  })

  test("leaves out what fork does not give to children, even where both have it", () => {
    const wiped = { ...area, madv: 1n << 18n }
    expect(pairs(wiped, wiped)).toBe(0)
    const droppable = { ...area, flags: MAP.DROPPABLE | MAP.ANONYMOUS }
    expect(pairs(droppable, droppable)).toBe(0)
  })

  test("leaves out areas with other guards or another name", () => {
    const guard = vma(0x11000n, 0x12000n, { status: VMA.GUARD, flags: 0, prot: 0 })
    expect(alikeAreas(facts([area, guard]), facts([area]))).toEqual([])
    expect(alikeAreas(facts([area, guard]), facts([area, guard])).length).toBe(1)
    expect(alikeAreas(facts([area], [], [{ start: area.start, end: area.end, name: "x" }]), facts([area]))).toEqual([])
  })
})

describe("planInheritance", () => {
  const area = vma(0x10000n, 0x40000n)
  /** Page contents by offset: pages that differ. */
  const except =
    (...pages: bigint[]): SameBytes =>
    (child, _, length) =>
      !pages.some((page) => page >= child.offset && page < child.offset + length)

  test("equal pages are not read again, pages of the parent alone are dropped", () => {
    const child = facts([area], [run(0x10000n, 20), run(0x30000n, 1, 20n << 12n)])
    const parent = facts([area], [run(0x10000n, 22)])
    expect(planInheritance(child, parent, except(3n << 12n))).toEqual({
      kept: [{ area, prot: 3 }],
      same: [
        { start: 0x10000n, end: 0x13000n },
        { start: 0x14000n, end: 0x24000n },
      ],
      dropped: [{ start: 0x24000n, end: 0x26000n }],
    })
  })

  test("runs that begin and end elsewhere are compared where both have pages", () => {
    const child = facts([area], [run(0x12000n, 4, 0x5000n, "child")])
    const parent = facts([area], [run(0x10000n, 3, 0n, "parent"), run(0x15000n, 9, 0x3000n, "parent")])
    const asked: string[] = []
    const same: SameBytes = (own, theirs, length) => {
      asked.push(`${own.path} ${own.offset} ${theirs.path} ${theirs.offset} ${length}`)
      return true
    }
    expect(planInheritance(child, parent, same)?.same).toEqual([
      { start: 0x12000n, end: 0x13000n },
      { start: 0x15000n, end: 0x16000n },
    ])
    expect(asked).toEqual(["child 20480 parent 8192 4096", "child 32768 parent 12288 4096"])
  })

  test("nothing in common is nothing to inherit", () => {
    const [child, parent] = [facts([area], [run(0x10000n, 2)]), facts([area], [run(0x10000n, 2)])]
    expect(planInheritance(child, parent, () => false)).toBeUndefined()
    expect(planInheritance(child, facts([area]), () => true)).toBeUndefined()
  })
})

test("inherited areas are not mapped again: dropped, made writable while they are filled, protected as the child had them", () => {
  const area = vma(0x10000n, 0x20000n, { prot: PROT.READ })
  const inherited = { kept: [{ area, prot: PROT.READ }], same: [], dropped: [{ start: 0x11000n, end: 0x12000n }] }
  const calls = (filled: boolean) =>
    plan((program) => {
      restoreInherited(inherited, () => filled, program)
      restoreVmas(
        [area],
        () => program.call("getpid"),
        () => filled,
        inherited,
        program,
      )
      restoreProtection([area], [], () => filled, inherited, program)
    })
  expect(calls(false)).toEqual(["#0 madvise(0x11000, 0x1000, 4) // pages of the parent alone"])
  expect(calls(true).slice(1)).toEqual([
    "#1 mprotect(0x10000, 0x10000, 3) // VMA 0x10000-0x20000",
    "#2 mprotect(0x10000, 0x10000, 1) // VMA 0x10000-0x20000",
  ])
})
