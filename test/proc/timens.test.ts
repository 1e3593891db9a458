import { describe, expect, test } from "bun:test"
import { formatClockOffsets, parseClockOffsets } from "../../src/proc/timens.ts"

describe("timens_offsets", () => {
  test("parseClockOffsets reads names and numbers of clocks, and offsets below 0", () => {
    const offsets = { monotonic: -2_043_775_667n, boottime: 86_400_000_000_005n }
    expect(parseClockOffsets("monotonic          -3 956224333\nboottime        86400         5\n")).toEqual(offsets)
    expect(parseClockOffsets("1 -3 956224333\n7 86400 5\n")).toEqual(offsets)
  })

  test("formatClockOffsets is its mirror: nanoseconds are never below 0", () => {
    expect(formatClockOffsets({ monotonic: -1n, boottime: -5_000_000_000n })).toBe("1 -1 999999999\n7 -5 0\n")
    for (const ns of [0n, 1n, -1n, 999_999_999n, -1_000_000_000n, 123_456_789_012_345n, -98_765_432_100_001n]) {
      const offsets = { monotonic: ns, boottime: -ns }
      expect(parseClockOffsets(formatClockOffsets(offsets))).toEqual(offsets)
    }
  })
})
