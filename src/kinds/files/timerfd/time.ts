import { CLOCK, timespec } from "../../../../ffi/abi/timer.ts"
import { decode } from "../../../../ffi/layout.ts"
import { allocate, syscall } from "../../../../ffi/syscall.ts"
import type { Timespec } from "../../../proc/timerfd.ts"

const memory = allocate(timespec.size)
const SECOND = 1_000_000_000n

/** The clocks that show the time of those that wake the machine: without a clock chip only their timers work. */
const SHOWN: Readonly<Record<number, number>> = { [CLOCK.REALTIME_ALARM]: CLOCK.REALTIME, [CLOCK.BOOTTIME_ALARM]: CLOCK.BOOTTIME }

/** Time of a clock. @param clock CLOCK_* number @throws SyscallError EINVAL no such clock */
export function clockNow(clock: number): Timespec {
  syscall("clock_gettime", SHOWN[clock] ?? clock, memory.address)
  const { tv_sec, tv_nsec } = decode(timespec, memory.bytes)
  return { seconds: tv_sec, nanoseconds: tv_nsec }
}

/** Sum of two times, nanoseconds below a second. */
export function addTimes(a: Timespec, b: Timespec): Timespec {
  const nanoseconds = a.nanoseconds + b.nanoseconds
  return { seconds: a.seconds + b.seconds + nanoseconds / SECOND, nanoseconds: nanoseconds % SECOND }
}
