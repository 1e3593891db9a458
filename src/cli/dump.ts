import { dump } from "../flow/dump.ts"
import { print } from "./print.ts"
import { dumpOptions } from "./records.ts"
import { openSession } from "./session.ts"
import type { Canonical } from "./spelling.ts"
import { describeDump } from "./summary.ts"

/** `stasis dump`: runs the flow and prints what it did on standard output. @returns exit status 0 */
export async function runDump(line: Canonical): Promise<number> {
  const options = dumpOptions(line, process.cwd())
  openSession(line.command, options)
  const report = await dump(options)
  print(options.json ? JSON.stringify(report) : describeDump(report, options.leaveStopped))
  return 0
}
