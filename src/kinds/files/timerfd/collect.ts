import { itimerspec, TFD_TIMER } from "../../../../ffi/abi/timer.ts"
import { allocate, syscall } from "../../../../ffi/syscall.ts"
import type { timerfd_entry } from "../../../../proto/gen/timerfd_pb.ts"
import { NANOSECONDS } from "../../../base/units.ts"
import { readFdInfo } from "../../../proc/fdinfo.ts"
import { type TimerfdState, type Timespec, timerfdState } from "../../../proc/timerfd.ts"
import type { Collecting, OpenFile } from "../collecting.ts"

const memory = allocate(itimerspec.size)
/** Looks at a timer that runs out faster than it can be looked at. */
const LOOKS = 8

const isZero = ({ seconds, nanoseconds }: Timespec): boolean => seconds === 0n && nanoseconds === 0n

/**
 * State of a timer whose next round has begun. The kernel counts the rounds of a periodic timer only when somebody asks: until then
 * fdinfo says one tick and no time left. Asking changes nothing that a later read(2) would tell. Kernel: fs/timerfd.c do_timerfd_gettime()
 */
function stateOf(copy: number): TimerfdState {
  let state: TimerfdState
  for (let looks = LOOKS; ; looks--) {
    syscall("timerfd_gettime", copy, memory.address)
    state = timerfdState(readFdInfo(process.pid, copy))
    const hasRunOut = state.ticks > 0n && isZero(state.value) && !isZero(state.interval)
    if (!hasRunOut) return state
    if (looks === 1) return { ...state, value: state.interval }
  }
}

/**
 * An open timerfd -> its entry, with the time that is left; of an absolute one the moment, which is what counts, goes to the extension.
 * Mirror: ./restore.ts
 *
 * Lost: that the clock was set and nobody has been told yet (TFD_TIMER_CANCEL_ON_SET), which the kernel shows as a tick.
 */
export function collectTimerfd(
  { id, fd, flags, owner, info }: OpenFile,
  { copies, extension, clock }: Pick<Collecting, "copies" | "extension" | "clock">,
): timerfd_entry {
  const state = copies.lend(fd, stateOf) ?? timerfdState(info)
  const { clockId: clockid, ticks, settimeFlags: settime_flags, value, interval } = state
  if (settime_flags & TFD_TIMER.ABSTIME && !isZero(value)) {
    const moment = value.seconds * NANOSECONDS + value.nanoseconds + clock(clockid)
    extension.push({ id, timerfd_moment_sec: moment / NANOSECONDS, timerfd_moment_nsec: Number(moment % NANOSECONDS) })
  }
  const left = { vsec: value.seconds, vnsec: value.nanoseconds, isec: interval.seconds, insec: interval.nanoseconds }
  return { id, flags, fown: owner, clockid, ticks, settime_flags, ...left }
}
