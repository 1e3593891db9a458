import { NANOSECONDS } from "../base/units.ts"
import { textReader } from "./source.ts"

/** What clocks of a time namespace are ahead of the machine's, ns. */
export interface ClockOffsets {
  readonly monotonic: bigint
  readonly boottime: bigint
}

/** "monotonic  -3 956224333" and the same of boottime -> nanoseconds. Kernel: kernel/time/namespace.c proc_timens_show_offsets() */
export function parseClockOffsets(text: string): ClockOffsets {
  const [monotonic = 0n, boottime = 0n] = text
    .trim()
    .split("\n")
    .map((line) => {
      const [, seconds = "0", nanoseconds = "0"] = line.trim().split(/\s+/)
      return BigInt(seconds) * NANOSECONDS + BigInt(nanoseconds)
    })
  return { monotonic, boottime }
}

/**
 * Those of the namespace that a process's children get; null when it is gone, or without time namespaces (Linux 5.6).
 *
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readClockOffsetsIfAlive = textReader("timens_offsets", parseClockOffsets)

/** Offsets as /proc/PID/timens_offsets takes them; clocks by their numbers, which every kernel knows. Mirror: parseClockOffsets */
export function formatClockOffsets({ monotonic, boottime }: ClockOffsets): string {
  const line = (clock: number, offset: bigint): string => {
    const nanoseconds = ((offset % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
    return `${clock} ${(offset - nanoseconds) / NANOSECONDS} ${nanoseconds}\n`
  }
  return line(1, monotonic) + line(7, boottime)
}
