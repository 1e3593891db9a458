import type { DumpReport } from "../flow/options.ts"

/** What a dump did, in one line for people. @param stopped a tree that was left is stopped, not running */
export function describeDump(
  { pid, processes, threads, imagesDir, bytes, frozenMicroseconds, wallMicroseconds, leftRunning }: DumpReport,
  stopped: boolean,
): string {
  const end = leftRunning ? (stopped ? "left stopped" : "left running") : "killed"
  const size = `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const times = `frozen ${milliseconds(frozenMicroseconds)}, wall ${milliseconds(wallMicroseconds)}`
  const extent = `${processes > 1 ? `${processes} processes, ` : ""}${threads} thread${threads === 1 ? "" : "s"}`
  return `Dumped task ${pid} (${extent}) into "${imagesDir}": ${size}, ${times}, ${end}`
}

const milliseconds = (microseconds: number): string => `${(microseconds / 1000).toFixed(1)} ms`
