import { parseBitList } from "../../proc/bitlist.ts"
import { readBytesIfAlive } from "../../proc/source.ts"

/**
 * CPUs that work on this host, as a mask like that of sched_setaffinity(2): bit n of byte n / 8 is CPU n. All when sysfs is not mounted.
 */
export function readOnlineCpus(): Uint8Array {
  const text = readBytesIfAlive("/sys/devices/system/cpu/online")
  return text ? parseBitList(text.toString(), MASK_SIZE) : new Uint8Array(MASK_SIZE).fill(0xff)
}

/** Bytes of the largest mask that kernels are built with: 8,192 CPUs. */
export const MASK_SIZE = 1024
