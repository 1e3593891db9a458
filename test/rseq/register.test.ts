import { describe, expect, test } from "bun:test"
import { PROT } from "../../ffi/abi/mman.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { appendRegistration, chooseLength, faultOfPlace, type KernelRseq } from "../../src/rseq/register.ts"
import { Program } from "../../src/tracee/program.ts"

const OLD: KernelRseq = { featureSize: undefined, align: undefined } // 5.10, 6.1
const V6_18: KernelRseq = { featureSize: 28, align: 32 }
const V7_2: KernelRseq = { featureSize: 33, align: 64 }
const saved = (abiSize: number, abiPointer = 0x7000n) => ({
  abiPointer: remoteAddress(abiPointer),
  abiSize,
  signature: 0x53053053,
  rseqCs: undefined,
})

type Row = readonly [what: string, size: number, at: bigint, kernel: KernelRseq, expected: number | RegExp, warns?: RegExp]
const rows: readonly Row[] = [
  ["32 on an old kernel", 32, 0x7020n, OLD, 32],
  ["32 on 6.18", 32, 0x7020n, V6_18, 32],
  ["32 on 7.2 needs only 32-byte alignment", 32, 0x7020n, V7_2, 32],
  ["32, not aligned", 32, 0x7010n, V6_18, /not aligned to 32/],
  ["33 on an old kernel falls back", 33, 0x7020n, OLD, 32, /32 bytes only: registered with 32 bytes instead of 33/],
  ["33, not aligned to 32, has nothing to fall back to", 33, 0x7010n, OLD, /32 bytes only/],
  ["33 on 6.18, which takes any length above", 33, 0x7020n, V6_18, 33],
  ["33 on 7.2", 33, 0x7040n, V7_2, 33],
  ["33 on 7.2, aligned to 32 only, falls back", 33, 0x7020n, V7_2, 32, /aligned to 64/],
  ["256 on 6.18", 256, 0x7000n, V6_18, 256],
  ["40 from 6.18, too short for a later kernel, falls back", 40, 0x7000n, { featureSize: 48, align: 64 }, 32, /shorter than 48/],
  ["20, which no kernel takes", 20, 0x7000n, V6_18, /shorter than 32/],
]

describe("chooseLength", () => {
  for (const [what, size, at, kernel, expected, warns] of rows)
    test(what, () => {
      const choice = chooseLength(saved(size, at), kernel, false)
      if (typeof expected !== "number") expect("refused" in choice && choice.refused).toMatch(expected)
      else {
        expect(choice).toMatchObject({ size: expected })
        if (warns) expect("warning" in choice && choice.warning).toMatch(warns)
        else expect(choice).toMatchObject({ warning: undefined })
      }
    })

  test("--strict refuses every other length", () => {
    expect(chooseLength(saved(33), OLD, true)).toEqual({
      refused: "this kernel takes registrations of 32 bytes only, and --strict forbids 32 bytes instead of 33",
    })
    expect(chooseLength(saved(33), V6_18, true)).toEqual({ size: 33, warning: undefined })
  })
})

describe("faultOfPlace: the kernel must be able to write all 32 bytes", () => {
  const writable = { start: 0x7000n, end: 0x8000n, prot: PROT.READ | PROT.WRITE }
  const code = { start: 0x8000n, end: 0x9000n, prot: PROT.READ | PROT.EXEC }
  const places: readonly (readonly [what: string, at: bigint, areas: (typeof code)[], good: boolean])[] = [
    ["at the beginning", 0x7000n, [writable, code], true],
    ["at the very end", 0x7fe0n, [writable, code], true],
    ["in two writable areas", 0x7ff0n, [writable, { ...writable, start: 0x8000n, end: 0x9000n }], true],
    ["half in what may not be written", 0x7ff0n, [writable, code], false],
    ["in code", 0x8020n, [writable, code], false],
    ["in no memory", 0x6000n, [writable, code], false],
    ["in the kernel", 0xffff888000000000n, [writable, code], false],
  ]
  for (const [what, at, areas, good] of places) test(what, () => expect(faultOfPlace(saved(32, at), areas) === undefined).toBe(good))
})

test("appendRegistration asks for exactly what was saved, and its error would name it", () => {
  const program = new Program()
  appendRegistration(program, saved(33), 32)
  expect(program.describe()).toEqual([
    "#0 rseq(0x7000, 0x20, 0, 0x53053053) // the rseq registration at 0x7000, 32 bytes, signature 0x53053053",
  ])
})
