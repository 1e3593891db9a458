import { expect, test } from "bun:test"
import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { executedFiles, faultOfAreas } from "../../../src/kinds/memory/check.ts"

const area = (more: Partial<vma_entry> = {}): vma_entry => ({
  ...{ start: 0x1000n, end: 0x3000n, pgoff: 0n, shmid: 1n, fd: -1n, prot: PROT.READ | PROT.WRITE, flags: MAP.SHARED, fdflags: 2 },
  status: VMA.REGULAR | VMA.FILE_SHARED,
  ...more,
})

test("faultOfAreas: areas that there can be, in any order", () => {
  expect(faultOfAreas([area({ start: 0x3000n, end: 0x4000n }), area()])).toBeUndefined()
  expect(faultOfAreas([area({ flags: MAP.PRIVATE, status: VMA.REGULAR | VMA.FILE_PRIVATE, fdflags: 0 })])).toBeUndefined()
  expect(faultOfAreas([area({ prot: PROT.READ, fdflags: 0o100000 })])).toBeUndefined()
  expect(faultOfAreas([area(), area({ start: 0x2000n, status: VMA.GUARD, flags: 0, prot: 0 })])).toBeUndefined()
})

test.each([
  ["nothing", { end: 0x1000n }, "does not begin and end with a page"],
  ["a part of a page", { start: 0x1001n }, "does not begin and end with a page"],
  ["two kinds", { status: VMA.REGULAR | VMA.FILE_SHARED | VMA.ANON_SHARED }, "is of more than one kind"],
  ["half a page of a file", { pgoff: 2048n }, "is at 2048 of its file"],
  ["a file that cannot be read", { fdflags: 1 }, "not open for reading"],
  ["a file of no access mode", { fdflags: 3 }, "not open for reading"],
  ["a file that cannot be written", { fdflags: 0 }, "open for reading alone"],
] as const)("faultOfAreas: %s", (_, more, found) => {
  expect(faultOfAreas([area(more)])).toContain(found)
})

test("executedFiles: the program, and files that are mapped to be executed", () => {
  const executed = (shmid: bigint) => area({ shmid, prot: PROT.READ | PROT.EXEC })
  const shared = { ...executed(5n), status: VMA.REGULAR | VMA.ANON_SHARED }
  expect([...executedFiles([{ mm: { exe_file_id: 2, vmas: [area(), executed(3n), executed(4n), shared] } }])]).toEqual([2, 3, 4])
})
