import { expect, test } from "bun:test"
import { timens_entrySchema } from "../../../proto/gen/timens_pb.ts"
import { collectClocks } from "../../../src/kinds/clocks/collect.ts"
import { machineClocks } from "../../../src/kinds/clocks/now.ts"
import { checkClocks, clockOffsets, restoreClocks } from "../../../src/kinds/clocks/restore.ts"
import { parseClockOffsets } from "../../../src/proc/timens.ts"
import { Program } from "../../../src/tracee/program.ts"
import { failureOf } from "../../harness/failure.ts"
import { skip } from "../../harness/skip.ts"
import { throughBytes } from "../fixture.ts"

const SECOND = 1_000_000_000n
const time = (seconds: bigint, ns = 0n) => ({ tv_sec: seconds, tv_nsec: ns })
const isNear = (a: bigint, b: bigint): boolean => a - b < SECOND && b - a < SECOND

test("collectClocks and clockOffsets: clocks that were read just now need no offset", () => {
  const entry = collectClocks(process.pid)
  if (!entry) return skip("this kernel has no time namespaces")
  // The tests may run in a time namespace themselves.
  const machine = machineClocks()!
  const { monotonic, boottime } = parseClockOffsets(clockOffsets(throughBytes(timens_entrySchema, entry), machine))
  expect(isNear(entry.monotonic.tv_sec * SECOND, machine.monotonic + monotonic)).toBe(true)
  expect(isNear(entry.boottime.tv_sec * SECOND, machine.boottime + boottime)).toBe(true)
})

test("clockOffsets: a clock that is ahead of the machine's, and one that is behind", () => {
  const entry = { monotonic: time(1500n, 7n), boottime: time(0n, 5n) }
  expect(clockOffsets(entry, { monotonic: 500n * SECOND, boottime: 500n * SECOND })).toBe("1 1000 7\n7 -500 5\n")
})

test("restoreClocks: a namespace is made, set and entered, and all of it may fail", () => {
  if (!machineClocks()) return skip("this kernel has no time namespaces")
  const program = new Program()
  restoreClocks({ monotonic: time(1500n, 7n), boottime: time(0n, 5n) }, program)
  const calls = program.describe()
  expect(calls.map((line) => /#\d+ (\w+)/.exec(line)?.[1])).toEqual(["unshare", "openat", "write", "close", "openat", "setns", "close"])
  for (const line of calls) expect(line).toMatch(/ = any/)
})

test("checkClocks refuses what no clock shows", () => {
  expect(() => checkClocks({ monotonic: time(5n), boottime: time(5n, SECOND - 1n) })).not.toThrow()
  for (const wrong of [time(5n, SECOND), time(1n << 62n)])
    expect(failureOf(() => checkClocks({ monotonic: time(5n), boottime: wrong }))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
})
