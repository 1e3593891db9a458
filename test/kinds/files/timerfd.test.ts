import { describe, expect, test } from "bun:test"
import { itimerspec, TFD_TIMER } from "../../../ffi/abi/timer.ts"
import { encode } from "../../../ffi/layout.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { timerfd_entry } from "../../../proto/gen/timerfd_pb.ts"
import { clockNow } from "../../../src/kinds/clocks/now.ts"
import { collectTimerfd } from "../../../src/kinds/files/timerfd/collect.ts"
import { timerfdState } from "../../../src/proc/timerfd.ts"
import { close, fown, given, imagesOf, openFile, ownCollecting, plansOf } from "./plans.ts"

const NONBLOCK = 0o4000
const MS = 1_000_000n
const answer = allocate(8)

interface Times {
  readonly sec?: bigint
  readonly nsec?: bigint
  readonly interval?: bigint
  readonly isec?: bigint
}

function arm(clock: number, flags: number, { sec = 0n, nsec = 0n, interval = 0n, isec = 0n }: Times): number {
  const fd = syscall("timerfd_create", clock, NONBLOCK)
  const spec = { it_value_sec: sec, it_value_nsec: nsec, it_interval_sec: isec, it_interval_nsec: interval }
  syscall("timerfd_settime", fd, flags, given(encode(itimerspec, spec)), 0)
  return fd
}

describe("collectTimerfd", () => {
  test("tells the rounds of a periodic timer that nobody has asked for, and takes none of them", () => {
    const fd = arm(1, 0, { nsec: 20n * MS, interval: 20n * MS })
    Bun.sleepSync(110)
    const file = openFile(fd)
    // The premise: what fdinfo says by itself is no state that could be restored.
    expect(timerfdState(file.info)).toMatchObject({ ticks: 1n, value: { seconds: 0n, nanoseconds: 0n } })
    const entry = collectTimerfd(file, ownCollecting())
    expect(entry.ticks).toBeGreaterThanOrEqual(5n)
    expect(entry.vnsec).toBeGreaterThan(0n)
    expect(entry).toMatchObject({ id: 7, clockid: 1, insec: 20n * MS, isec: 0n, settime_flags: 0 })
    expect(syscall("read", fd, answer.address, 8)).toBe(8)
    expect(answer.view.getBigUint64(0, true)).toBeGreaterThanOrEqual(entry.ticks)
    close(fd)
  })

  test("gives a round to a timer that is faster than any look", () => {
    const fd = arm(1, 0, { nsec: 1n, interval: 1n })
    Bun.sleepSync(2)
    const { vsec, vnsec, ticks } = collectTimerfd(openFile(fd), ownCollecting())
    expect([vsec, vnsec]).toEqual([0n, 1n])
    expect(ticks).toBeGreaterThan(1000n)
    close(fd)
  })

  test.each([
    ["of the day", 0, TFD_TIMER.ABSTIME | TFD_TIMER.CANCEL_ON_SET],
    ["since the start", 1, TFD_TIMER.ABSTIME],
  ])("keeps a moment %s beside the time that is left", (_, clock, flags) => {
    const moment = clockNow(clock) + 500_000n * MS
    const fd = arm(clock, flags, { sec: moment / (1000n * MS), nsec: moment % (1000n * MS) })
    const collecting = ownCollecting()
    const entry = collectTimerfd(openFile(fd), collecting)
    expect(entry.settime_flags).toBe(flags)
    expect(entry.vsec).toBe(499n)
    const [facts] = collecting.extension
    const error = (facts?.timerfd_moment_sec ?? 0n) * 1000n * MS + BigInt(facts?.timerfd_moment_nsec ?? 0) - moment
    expect(Number(error)).toBeGreaterThanOrEqual(0)
    expect(Number(error)).toBeLessThan(100_000_000)
    close(fd)
  })
})

const timer = (more: Partial<timerfd_entry>): file_entry => ({
  type: fd_types.TIMERFD,
  id: 7,
  tfd: { id: 7, flags: 0o4002, fown, clockid: 1, ticks: 0n, settime_flags: 0, vsec: 0n, vnsec: 0n, isec: 0n, insec: 0n, ...more },
})

/** Times of the one timerfd_settime in a plan: interval and value, seconds and nanoseconds. */
function armedIn(lines: readonly string[]): readonly bigint[] {
  const line = lines.find((text) => text.includes("timerfd_settime")) ?? ""
  const text: string = JSON.parse(line.slice(line.indexOf('"'), line.lastIndexOf('"') + 1))
  return [...new BigUint64Array(new Uint8Array(Buffer.from(text, "latin1")).buffer)]
}

describe("restoreTimerfd", () => {
  test("makes it with the others and arms it last, ticks after all", () => {
    const { open, start } = plansOf(imagesOf({ 5: timer({ vsec: 3n, vnsec: 4n, isec: 1n, insec: 2n, ticks: 9n }) }))
    expect(open).toEqual([
      "#1 timerfd_create(1, 0) // timerfd 7 of clock 1",
      "#2 dup3(#1, 5, 0) // fd 5",
      "#3 close(#1)",
      "#4 fcntl(5, 4, 0x800) // the flags of fd 5",
    ])
    expect(start.map((line) => line.replace(/".*"/, "TIMES"))).toEqual([
      "#0 timerfd_settime(5, 0, TIMES, 0) // timerfd 7",
      "#1 ioctl(5, 0x40085400, TIMES) // timerfd 7",
    ])
    expect(armedIn(start)).toEqual([1n, 2n, 3n, 4n])
  })

  test("leaves one alone that was never set", () => expect(plansOf(imagesOf({ 5: timer({}) })).start).toEqual([]))

  test("gives an absolute one its moment; of CRIU the time that was left, from what its clock shows", () => {
    const { start } = plansOf(imagesOf({ 5: timer({ settime_flags: 1, vsec: 100n }) }))
    expect(start[0]).toContain("timerfd_settime(5, 1, ")
    expect(armedIn(start)).toEqual([0n, 0n, 1100n, 0n])
    const extension = [{ id: 7, timerfd_moment_sec: 1105n, timerfd_moment_nsec: 6 }]
    expect(armedIn(plansOf(imagesOf({ 5: timer({ settime_flags: 1, vsec: 100n }) }, { extension })).start)).toEqual([0n, 0n, 1105n, 6n])
  })

  test("gives one of the day its moment, however long ago the dump was", () => {
    const extension = [{ id: 7, timerfd_moment_sec: 12345n, timerfd_moment_nsec: 6 }]
    const { start } = plansOf(imagesOf({ 5: timer({ clockid: 0, settime_flags: 3, vsec: 100n }) }, { extension }))
    expect(armedIn(start)).toEqual([0n, 0n, 12345n, 6n])
  })

  test("begins the next round of one that CRIU found run out", () => {
    expect(armedIn(plansOf(imagesOf({ 5: timer({ ticks: 1n, isec: 2n }) })).start)).toEqual([2n, 0n, 2n, 0n])
  })

  test("arms what wakes the machine while the process may do so", () => {
    const { open, start } = plansOf(imagesOf({ 5: timer({ clockid: 9, vsec: 5n }) }))
    expect(start).toEqual([])
    expect(open[1]).toStartWith("#2 timerfd_settime(#1, 0, ")
  })
})
