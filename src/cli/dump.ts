import { dump } from "../flow/dump/dump.ts"
import { failureAsGiven, type HeldPaths, holdPaths } from "../flow/dump/held-paths.ts"
import type { DumpOptions, DumpReport } from "../flow/options.ts"
import { checkProc, followParent, reachProcess } from "../flow/reach.ts"
import { wantsReport } from "../flow/terminal.ts"
import { workingDirectory } from "./paths.ts"
import { print } from "./print.ts"
import { dumpOptions } from "./records.ts"
import { openSession } from "./session.ts"
import type { Canonical } from "./spelling.ts"
import { describeDump } from "./summary.ts"

/**
 * `stasis dump`: runs the flow, where the process is, and tells a terminal what it did.
 *
 * @returns exit status 0, or that of the tool inside
 */
export async function runDump(line: Canonical): Promise<number> {
  const options = dumpOptions(line, workingDirectory())
  followParent()
  openSession(line.command, options)
  checkProc()
  let held: HeldPaths | undefined
  const reach = reachProcess(options.pid, () => (held = holdPaths(options)), options.statusFd)
  if ("status" in reach) return reach.status
  const report = await (held ? dumpInside(held, reach.pid) : dump({ ...options, pid: reach.pid }))
  if (options.json) print(JSON.stringify(report))
  else if (wantsReport(options.verbosity)) print(describeDump(report, options.leaveStopped))
  return 0
}

/** A dump of a process whose namespaces were entered, into directories that are outside. */
async function dumpInside(held: HeldPaths, pid: number): Promise<DumpReport> {
  const options: DumpOptions = { ...held.options, pid }
  try {
    const report = await dump(options)
    return { ...report, imagesDir: held.asGiven(report.imagesDir) }
  } catch (error) {
    throw failureAsGiven(error, held)
  }
}
