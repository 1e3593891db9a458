import { expect, test } from "bun:test"
import { fd_types } from "../../proto/gen/fdinfo_pb.ts"
import { fileText } from "../../src/cli/show-descriptor.ts"

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }

test("fileText tells clock, time, interval and ticks of a timerfd", () => {
  const tfd = { id: 1, flags: 2, fown, clockid: 0, ticks: 3n, settime_flags: 3, vsec: 5n, vnsec: 60n, isec: 0n, insec: 0n }
  const text = (more: object) => fileText({ type: fd_types.TIMERFD, id: 1, tfd: { ...tfd, ...more } })
  expect(text({})).toBe("realtime clock, absolute, cancel-on-set, 5.000000060 s left, 3 ticks")
  expect(text({ clockid: 1, settime_flags: 0, vsec: 0n, vnsec: 0n, isec: 2n, ticks: 0n })).toBe(
    "monotonic clock, not running, every 2.000000000 s, 0 ticks",
  )
})
