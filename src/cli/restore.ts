import { checkProc } from "../flow/reach.ts"
import { restore } from "../flow/restore/restore.ts"
import { wantsReport } from "../flow/terminal.ts"
import { workingDirectory } from "./paths.ts"
import { print, printError } from "./print.ts"
import { restoreOptions } from "./records.ts"
import { openSession } from "./session.ts"
import type { Canonical } from "./spelling.ts"

/**
 * `stasis restore`: runs the flow. Attached, it says nothing of its own, for the tree may share its standard output.
 *
 * @returns exit status 0 when detached; else that of the restored root, 128 + signal when it was killed
 */
export async function runRestore(line: Canonical): Promise<number> {
  const options = restoreOptions(line, workingDirectory())
  openSession(line.command, options)
  checkProc()
  const report = await restore(options)
  // Standard output that was given to the tree is the tree's.
  const tell = options.inheritFds.some(({ fd }) => fd === 1) ? printError : print
  if (options.json) tell(JSON.stringify(report))
  else if (options.detached && wantsReport(options.verbosity)) tell(`Restored task ${report.pid} from "${options.imagesDir}"`)
  return report.exitStatus ?? 0
}
