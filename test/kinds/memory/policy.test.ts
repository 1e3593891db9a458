import { expect, test } from "bun:test"
import * as abi from "../../../ffi/abi/mempolicy.ts"
import { stasis_vma_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import {
  askAreaPolicies,
  askThreadPolicy,
  collectAreaPolicies,
  collectPolicy,
  type PolicyQuestion,
} from "../../../src/kinds/memory/policy/collect.ts"
import { trimmed } from "../../../src/kinds/memory/policy/nodes.ts"
import { restoreAreaPolicies, restoreThreadPolicy } from "../../../src/kinds/memory/policy/restore.ts"
import type { Mapping } from "../../../src/proc/maps.ts"
import { Program } from "../../../src/tracee/program.ts"
import { canCompile, evaluate } from "../../ffi/compiled.ts"
import { answersOf, throughBytes } from "../fixture.ts"

const present = () => Uint8Array.of(0b101)

test.skipIf(!canCompile)("constants of memory policies are the C compiler's", () => {
  const { MPOL, MPOL_F, MPOL_F_ADDR } = abi
  const rows = [
    ...Object.entries(MPOL),
    ...Object.entries(MPOL_F).map(([name, value]) => [`F_${name}`, value] as const),
    ["F_ADDR", MPOL_F_ADDR] as const,
  ]
  const found = evaluate(
    ["linux/mempolicy.h"],
    rows.map(([name]) => `MPOL_${name}`),
  )
  expect(found.map(Number)).toEqual(rows.map(([, value]) => value))
})

/** What a kernel would have answered. */
const answered = ({ mode, nodes, answer }: PolicyQuestion, chosen: number, mask: readonly number[]) =>
  answersOf(
    new Map([[answer, 0n]]),
    new Map([
      [mode, Uint8Array.of(chosen & 255, chosen >> 8, 0, 0)],
      [nodes, Uint8Array.from({ length: 8 }, (_, i) => mask[i] ?? 0)],
    ]),
  )

test("collectPolicy: mode with flags, nodes without trailing zeros; the default and a kernel without policies are none", () => {
  const program = new Program()
  const question = askThreadPolicy(program)
  expect(program.describe()[0]).toMatch(/^#0 get_mempolicy\(room\[4\], room\[\d+\], 0x[0-9a-f]+, 0, 0\) = any$/)
  expect(collectPolicy(answered(question, 0x8003, [5, 1]), question)).toEqual({ mode: 0x8003, nodes: Uint8Array.of(5, 1) })
  expect(collectPolicy(answered(question, 4, []), question)).toEqual({ mode: 4, nodes: Uint8Array.of() })
  expect(collectPolicy(answered(question, 0, []), question)).toBeUndefined()
  expect(collectPolicy(answersOf(new Map([[question.answer, -38n]])), question)).toBeUndefined()
})

test("areas are asked one by one, the kernel's own left out", () => {
  const mapping = (start: bigint, path: string) => ({ start, path }) as Mapping
  const program = new Program()
  const questions = askAreaPolicies(program, [mapping(0x1000n, ""), mapping(0x2000n, "[vdso]"), mapping(0x3000n, "[heap]")])
  expect([...questions.keys()]).toEqual([0x1000n, 0x3000n])
  const heap = questions.get(0x3000n)!
  expect([...collectAreaPolicies(answered(heap, 2, [1]), new Map([[0x3000n, heap]]))]).toEqual([
    [0x3000n, { mode: 2, nodes: Uint8Array.of(1) }],
  ])
})

test("restore: through bytes, padded to whole words, one bit more than the mask has", () => {
  const program = new Program()
  const area = { start: 0x1000n, end: 0x3000n, mempolicy: { mode: 2, nodes: Uint8Array.of(4) } }
  restoreAreaPolicies([throughBytes(stasis_vma_entrySchema, area), { start: 0n, end: 1n }], present, program)
  restoreThreadPolicy({ mode: 4 }, present, program)
  restoreThreadPolicy(undefined, present, program)
  expect(program.describe()).toEqual([
    '#0 mbind(0x1000, 0x2000, 2, "\\u0004\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000", 0x41, 0) // memory policy 0x2 of VMA 0x1000-0x3000',
    "#1 set_mempolicy(4, 0, 0) // memory policy 0x4",
  ])
})

test("restore: nodes that do not exist here are left out with a warning, relative ones never", () => {
  const program = new Program()
  restoreThreadPolicy({ mode: 2, nodes: Uint8Array.of(2) }, present, program)
  restoreThreadPolicy({ mode: 2 | abi.MPOL_F.RELATIVE_NODES, nodes: Uint8Array.of(2) }, present, program)
  expect(program.describe().map((line) => line.slice(0, 24))).toEqual(["#0 set_mempolicy(0x4002,"])
})

test("trimmed cuts zeros at the end only", () => {
  expect(trimmed(Uint8Array.of(0, 1, 0, 0))).toEqual(Uint8Array.of(0, 1))
  expect(trimmed(new Uint8Array(8))).toEqual(Uint8Array.of())
})
