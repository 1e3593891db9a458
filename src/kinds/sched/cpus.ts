import { readBytesIfAlive } from "../../proc/source.ts"

/** CPUs that work on this host, as a mask like that of sched_setaffinity(2): bit n of byte n / 8 is CPU n. All when sysfs is not mounted. */
export function readOnlineCpus(): Uint8Array {
  const text = readBytesIfAlive("/sys/devices/system/cpu/online")
  return text ? parseCpuList(text.toString()) : new Uint8Array(MASK_SIZE).fill(0xff)
}

/** Bytes of the largest mask that kernels are built with: 8,192 CPUs. */
export const MASK_SIZE = 1024

/** "0-3,8" -> a mask. Kernel: lib/vsprintf.c bitmap_list_string(), "%*pbl" */
export function parseCpuList(text: string): Uint8Array {
  const mask = new Uint8Array(MASK_SIZE)
  for (const range of text.trim().split(",")) {
    const [first = Number.NaN, last = first] = range.split("-").map(Number)
    for (let cpu = first; cpu <= last; cpu++) mask[cpu >> 3]! |= 1 << (cpu & 7)
  }
  return mask
}

/** True when two masks have a CPU in common. */
export const overlaps = (a: Uint8Array, b: Uint8Array): boolean => a.some((byte, index) => (byte & (b[index] ?? 0)) !== 0)
