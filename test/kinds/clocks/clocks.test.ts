import { expect, test } from "bun:test"
import { timens_entrySchema } from "../../../proto/gen/timens_pb.ts"
import { collectClocks } from "../../../src/kinds/clocks/collect.ts"
import { machineClocks } from "../../../src/kinds/clocks/now.ts"
import { checkClocks, clockOffsets } from "../../../src/kinds/clocks/restore.ts"
import { parseClockOffsets } from "../../../src/proc/timens.ts"
import { failureOf } from "../../image/sample.ts"
import { throughBytes } from "../fixture.ts"

const SECOND = 1_000_000_000n
const time = (seconds: bigint, ns = 0n) => ({ tv_sec: seconds, tv_nsec: ns })
const isNear = (a: bigint, b: bigint): boolean => a - b < SECOND && b - a < SECOND

test("collectClocks and clockOffsets: clocks that were read just now need no offset", () => {
  const entry = collectClocks(process.pid)
  if (!entry) return console.log("skipped: this kernel has no time namespaces")
  const { monotonic, boottime } = parseClockOffsets(clockOffsets(throughBytes(timens_entrySchema, entry)) ?? "")
  // The tests may run in a time namespace themselves.
  const machine = machineClocks()!
  expect(isNear(entry.monotonic.tv_sec * SECOND, machine.monotonic + monotonic)).toBe(true)
  expect(isNear(entry.boottime.tv_sec * SECOND, machine.boottime + boottime)).toBe(true)
})

test("clockOffsets: a clock that is ahead of the machine's, and one that is behind", () => {
  const machine = machineClocks()
  if (!machine) return console.log("skipped: this kernel has no time namespaces")
  const offsets = parseClockOffsets(clockOffsets({ monotonic: time(machine.monotonic / SECOND + 1000n), boottime: time(0n, 5n) })!)
  expect(isNear(offsets.monotonic, 1000n * SECOND)).toBe(true)
  expect(isNear(offsets.boottime, -machine.boottime)).toBe(true)
})

test("checkClocks refuses what no clock shows", () => {
  expect(() => checkClocks({ monotonic: time(5n), boottime: time(5n, SECOND - 1n) })).not.toThrow()
  for (const wrong of [time(5n, SECOND), time(1n << 62n)])
    expect(failureOf(() => checkClocks({ monotonic: time(5n), boottime: wrong }))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
})
