import type { timens_entry } from "../../../proto/gen/timens_pb.ts"
import { NANOSECONDS } from "../../base/units.ts"
import { readClockOffsetsIfAlive } from "../../proc/timens.ts"
import { machineClocks } from "./now.ts"

/**
 * The clocks that a process sees now -> their entry. Mirror: ./restore.ts
 *
 * @returns undefined on a kernel without time namespaces (CONFIG_TIME_NS)
 */
export function collectClocks(pid: number): timens_entry | undefined {
  const [machine, offsets] = [machineClocks(), readClockOffsetsIfAlive(pid)]
  if (!machine || !offsets) return undefined
  const time = (ns: bigint) => ({ tv_sec: ns / NANOSECONDS, tv_nsec: ns % NANOSECONDS })
  return { monotonic: time(machine.monotonic + offsets.monotonic), boottime: time(machine.boottime + offsets.boottime) }
}
