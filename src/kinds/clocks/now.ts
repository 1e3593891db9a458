import { CLOCK_BOOTTIME, CLOCK_MONOTONIC } from "../../../ffi/abi/timer.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { NANOSECONDS } from "../../base/units.ts"
import { type ClockOffsets, readClockOffsetsIfAlive } from "../../proc/timens.ts"

const memory = allocate(64)

function readClock(clock: number): bigint {
  syscall("clock_gettime", clock, memory.address)
  return memory.view.getBigInt64(0, true) * NANOSECONDS + memory.view.getBigInt64(8, true)
}

/** Clocks of the machine now, ns, wherever the tool runs: offsets of time namespaces are from these. undefined = there are no time namespaces. */
export function machineClocks(): ClockOffsets | undefined {
  const own = readClockOffsetsIfAlive(process.pid)
  if (!own) return undefined
  return { monotonic: readClock(CLOCK_MONOTONIC) - own.monotonic, boottime: readClock(CLOCK_BOOTTIME) - own.boottime }
}
