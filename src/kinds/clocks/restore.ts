import type { timens_entry, timespec } from "../../../proto/gen/timens_pb.ts"
import { CheckpointError } from "../../base/errors.ts"
import { formatClockOffsets } from "../../proc/timens.ts"
import { machineClocks, NANOSECONDS } from "./now.ts"

/** Seconds that the kernel takes at most. Kernel: kernel/time/namespace.c proc_timens_set_offset(), half of KTIME_SEC_MAX */
const MOST = 4_611_686_018n

/** Checks the clocks of a set. @throws CheckpointError E_IMAGE_CORRUPT */
export function checkClocks({ monotonic, boottime }: timens_entry): void {
  for (const { tv_sec, tv_nsec } of [monotonic, boottime])
    if (tv_nsec >= NANOSECONDS || tv_sec >= MOST)
      throw new CheckpointError(
        "E_IMAGE_CORRUPT",
        "Cannot restore the clocks",
        `one was at ${tv_sec} s and ${tv_nsec} ns`,
        "Dump the program again: this image was damaged or changed",
      )
}

/**
 * The offsets of a time namespace in which clocks go on from an entry, as /proc/PID/timens_offsets takes them. Mirror: ./collect.ts
 *
 * @returns undefined on a kernel without time namespaces (CONFIG_TIME_NS)
 */
export function clockOffsets({ monotonic, boottime }: timens_entry): string | undefined {
  const machine = machineClocks()
  if (!machine) return undefined
  const ns = ({ tv_sec, tv_nsec }: timespec): bigint => tv_sec * NANOSECONDS + tv_nsec
  return formatClockOffsets({ monotonic: ns(monotonic) - machine.monotonic, boottime: ns(boottime) - machine.boottime })
}
