import { CLOCK, CLOCK_BOOTTIME, CLOCK_MONOTONIC } from "../../../ffi/abi/timer.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { NANOSECONDS } from "../../base/units.ts"
import { type ClockOffsets, readClockOffsetsIfAlive } from "../../proc/timens.ts"

const memory = allocate(64)

/** The clocks that show the time of those that wake the machine: without a clock chip only their timers work. */
const SHOWN: Readonly<Record<number, number>> = { [CLOCK.REALTIME_ALARM]: CLOCK.REALTIME, [CLOCK.BOOTTIME_ALARM]: CLOCK.BOOTTIME }

/** Clocks that time namespaces move. Man page: time_namespaces(7) */
export const MOVED: Readonly<Record<number, keyof ClockOffsets>> = {
  [CLOCK_MONOTONIC]: "monotonic",
  [CLOCK_BOOTTIME]: "boottime",
  [CLOCK.BOOTTIME_ALARM]: "boottime",
}

/** Time of a clock of the tool, ns. @param clock CLOCK_* number @throws SyscallError EINVAL no such clock */
export function clockNow(clock: number): bigint {
  syscall("clock_gettime", SHOWN[clock] ?? clock, memory.address)
  return memory.view.getBigInt64(0, true) * NANOSECONDS + memory.view.getBigInt64(8, true)
}

/**
 * Clocks of the machine now, ns, wherever the tool runs: offsets of time namespaces are from these. undefined = there are no time
 * namespaces.
 */
export function machineClocks(): ClockOffsets | undefined {
  const own = readClockOffsetsIfAlive(process.pid)
  if (!own) return undefined
  return { monotonic: clockNow(CLOCK_MONOTONIC) - own.monotonic, boottime: clockNow(CLOCK_BOOTTIME) - own.boottime }
}

/** The clocks that a process sees. @returns time now of a CLOCK_* number, ns */
export function clocksOf(pid: number): (clock: number) => bigint {
  const [own, theirs] = [readClockOffsetsIfAlive(process.pid), readClockOffsetsIfAlive(pid)]
  return (clock) => {
    const moved = MOVED[clock]
    return clockNow(clock) + (moved && own && theirs ? theirs[moved] - own[moved] : 0n)
  }
}
