import type { RseqOptions } from "../flow/options.ts"
import { checkProc } from "../flow/reach.ts"
import { inspectRseq } from "../flow/rseq/rseq.ts"
import { print } from "./print.ts"
import { rseqJson, rseqText } from "./rseq-text.ts"

/**
 * `stasis rseq`: prints one row a thread, or with --sample one a thread and section.
 *
 * @returns exit status 0, 128 + signal when sampling was ended early
 */
export async function runRseq(options: RseqOptions): Promise<number> {
  checkProc()
  const report = await inspectRseq(options)
  print(options.json ? JSON.stringify(rseqJson(report)) : rseqText(report))
  return report.interruptedBy === 0 ? 0 : 128 + report.interruptedBy
}
