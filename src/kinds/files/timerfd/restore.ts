import { CLOCK, itimerspec, TFD_IOC_SET_TICKS, TFD_TIMER } from "../../../../ffi/abi/timer.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { timerfd_entry } from "../../../../proto/gen/timerfd_pb.ts"
import { NANOSECONDS } from "../../../base/units.ts"
import type { Timespec } from "../../../proc/timerfd.ts"
import type { Result } from "../../../tracee/program.ts"
import type { NewClocks, Opened, Starting } from "../restoring.ts"

const isAlarm = ({ clockid }: timerfd_entry): boolean => clockid === CLOCK.REALTIME_ALARM || clockid === CLOCK.BOOTTIME_ALARM

/**
 * An entry -> an open timerfd appended to the program; `startTimerfd` arms it. Mirror: ./collect.ts
 * One that wakes the machine is armed at once, while the process still has CAP_WAKE_ALARM.
 */
export function restoreTimerfd(entry: timerfd_entry, restoring: Starting): Result {
  const fd = restoring.program.callWith({ about: `timerfd ${entry.id} of clock ${entry.clockid}` }, "timerfd_create", entry.clockid, 0)
  if (isAlarm(entry)) arm(entry, restoring, fd)
  return fd
}

/** Appends the arming of a timerfd. Mirror: collectTimerfd */
export function startTimerfd(entry: timerfd_entry, starting: Starting, fd: number): void {
  if (!isAlarm(entry)) arm(entry, starting, fd)
}

function arm(entry: timerfd_entry, { program, extension, clocks }: Starting, fd: Opened | number): void {
  const { id, ticks, settime_flags, isec, insec } = entry
  const about = `timerfd ${id}`
  const { seconds, nanoseconds } = timeOf(entry, extension.get(id), clocks)
  const spec = { it_interval_sec: isec, it_interval_nsec: insec, it_value_sec: seconds, it_value_nsec: nanoseconds }
  if (settime_flags || Object.values(spec).some((part) => part !== 0n))
    program.callWith({ about }, "timerfd_settime", fd, settime_flags, program.bytes(encode(itimerspec, spec)), 0)
  // Arming begins to count anew, so this comes last.
  if (ticks > 0n)
    program.callWith({ about }, "ioctl", fd, TFD_IOC_SET_TICKS, program.bytes(new Uint8Array(BigUint64Array.of(ticks).buffer)))
}

/** Clocks that tell the time of the day, which is never moved. */
const isOfDay = (clock: number): boolean => clock === CLOCK.REALTIME || clock === CLOCK.REALTIME_ALARM

/** What timerfd_settime(2) is given: the time that was left, for absolute timers the moment that was set, if their clock still tells it. */
function timeOf(
  { clockid, ticks, settime_flags, vsec, vnsec, isec, insec }: timerfd_entry,
  facts: ReturnType<Starting["extension"]["get"]>,
  clocks: NewClocks,
): Timespec {
  if (facts?.timerfd_moment_sec !== undefined && (isOfDay(clockid) || clocks.goOn))
    return { seconds: facts.timerfd_moment_sec, nanoseconds: BigInt(facts.timerfd_moment_nsec ?? 0) }
  // CRIU writes what fdinfo says: a periodic timer that has run out has nothing left there.
  const hasRunOut = ticks > 0n && vsec === 0n && vnsec === 0n
  const left = hasRunOut ? { seconds: isec, nanoseconds: insec } : { seconds: vsec, nanoseconds: vnsec }
  const isArmed = left.seconds !== 0n || left.nanoseconds !== 0n
  if (!isArmed || !(settime_flags & TFD_TIMER.ABSTIME)) return left
  const moment = left.seconds * NANOSECONDS + left.nanoseconds + clocks.now(clockid)
  return { seconds: moment / NANOSECONDS, nanoseconds: moment % NANOSECONDS }
}
