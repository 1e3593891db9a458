import { dump } from "../flow/dump.ts"
import { isWatched } from "../flow/watched.ts"
import { print } from "./print.ts"
import { dumpOptions } from "./records.ts"
import { openSession } from "./session.ts"
import type { Canonical } from "./spelling.ts"
import { describeDump } from "./summary.ts"

/** `stasis dump`: runs the flow, and tells a terminal what it did. @returns exit status 0 */
export async function runDump(line: Canonical): Promise<number> {
  const options = dumpOptions(line, process.cwd())
  openSession(line.command, options)
  const report = await dump(options)
  if (options.json) print(JSON.stringify(report))
  else if (isWatched(options.verbosity)) print(describeDump(report, options.leaveStopped))
  return 0
}
