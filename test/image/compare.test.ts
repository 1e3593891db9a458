import { expect, test } from "bun:test"
import { stasis_thread_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { Aliases, compareMessages, type Rules } from "../../src/image/compare.ts"

const compare = (rules: Rules, saved: object, now: object): string[] =>
  compareMessages(
    stasis_thread_entrySchema,
    { tid: 1, ...saved },
    { tid: 1, ...now },
    { rules, aliases: new Aliases(), complete: true },
    "x",
  )

test("mask: zeros at the end do not count, bits do", () => {
  const rules: Rules = { "stasis_thread_entry.cpu_affinity": { kind: "mask" } }
  const mask = (...bytes: number[]) => ({ cpu_affinity: Uint8Array.from(bytes) })
  expect(compare(rules, mask(3, 0, 0), mask(3))).toEqual([])
  expect(compare(rules, mask(0, 0), mask(0))).toEqual([])
  expect(compare(rules, mask(3, 1, 0), mask(3))).toHaveLength(1)
  expect(compare({}, mask(3, 0), mask(3))).toHaveLength(1)
})

test("if-known: compared where both say something", () => {
  const rules: Rules = { "stasis_thread_entry.uclamp_min": { kind: "if-known" } }
  expect(compare(rules, { uclamp_min: 3 }, {})).toEqual([])
  expect(compare(rules, {}, { uclamp_min: 3 })).toEqual([])
  expect(compare(rules, { uclamp_min: 3 }, { uclamp_min: 4 })).toHaveLength(1)
})
