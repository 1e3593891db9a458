import { describe, expect, test } from "bun:test"
import { checkText } from "../../src/cli/check.ts"
import { nearest } from "../../src/cli/suggest.ts"
import type { CheckedFeature } from "../../src/flow/features/feature.ts"
import { checkFeatures, featureNames, isSufficient } from "../../src/flow/features/features.ts"

const root = process.getuid?.() === 0
const feature = (rest: Partial<CheckedFeature>): CheckedFeature => ({
  name: "x",
  need: "required",
  lost: "y",
  present: true,
  detail: "z",
  ...rest,
})

describe("checkFeatures", () => {
  test.skipIf(!root)("finds everything required where the other live tests run", () => {
    const checked = checkFeatures({ all: true, feature: undefined }, nearest)
    expect(checked.filter(({ need, present }) => need === "required" && present !== true)).toEqual([])
    expect(isSufficient(checked)).toBe(true)
  })

  test("without --all looks at nothing special", () => {
    expect(checkFeatures({ all: false, feature: undefined }, nearest).some(({ need }) => need === "special")).toBe(false)
  })

  test("says the same twice: no probe leaves a trace", () => {
    const [first, second] = [1, 2].map(() => checkFeatures({ all: true, feature: undefined }, nearest))
    expect(second).toEqual(first!)
  })

  test("looks at one feature only, by our name or CRIU's", () => {
    expect(checkFeatures({ all: false, feature: "kcmp" }, nearest)).toMatchObject([{ name: "kcmp", need: "required" }])
    expect(checkFeatures({ all: false, feature: "timer_cr_ids" }, nearest)).toMatchObject([{ name: "timer_cr_ids", need: "better" }])
  })

  test("says of a feature that stasis does not use that it was not looked at", () => {
    expect(checkFeatures({ all: false, feature: "tun" }, nearest)).toMatchObject([
      { present: "unknown", detail: "not looked at: interfaces of TUN devices are not among what stasis saves" },
    ])
  })

  test("refuses an unknown name with those like it", () => {
    expect(() => checkFeatures({ all: false, feature: "pidfd_opne" }, nearest)).toThrow('Cannot check feature "pidfd_opne"')
  })
})

test("featureNames names nothing twice, and every name can be asked for", () => {
  const names = featureNames().map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const name of ["pagemap_scan", "clone3_set_tid", "mem_dirty_track", "nftables"]) expect(names).toContain(name)
})

describe("isSufficient", () => {
  test("is about what is required only", () => {
    expect(isSufficient([feature({}), feature({ need: "better", present: false })])).toBe(true)
    expect(isSufficient([feature({ present: false })])).toBe(false)
    expect(isSufficient([feature({ present: "unknown" })])).toBe(false)
  })
})

test("checkText tells what is lost without each missing feature", () => {
  expect(checkText([feature({}), feature({ name: "w", need: "better", present: false, lost: "speed" })], true).split("\n")).toEqual([
    "feature  here  need      found",
    "x        yes   required  z",
    "w        no    better    z",
    "",
    "Without w is lost: speed",
    "",
    "This machine has everything that stasis requires",
  ])
})

test("checkText says on which rung one stands, from the lowest up, and what is lost there", () => {
  const rung = { name: "ordinary", title: "an ordinary user", lost: ["one thing (CAP_KILL)"] } as const
  expect(
    checkText([feature({})], false, rung)
      .split("\n")
      .slice(3),
  ).toEqual([
    "You stand on rung 1 of 4: an ordinary user",
    "Lost here: one thing (CAP_KILL)",
    "",
    "This machine lacks something that stasis requires",
  ])
  expect(checkText([feature({})], true, { ...rung, name: "root", lost: [] })).toContain("You stand on rung 4 of 4: an ordinary user")
})
