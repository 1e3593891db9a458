import { EXIT_STATUS } from "../base/errors.ts"
import type { PlanOptions } from "../flow/options.ts"
import { optionsAgain } from "./again.ts"
import { workingDirectory } from "./paths.ts"
import { print } from "./print.ts"
import { planOptions } from "./records.ts"
import type { Canonical } from "./spelling.ts"

/**
 * `stasis plan`: what a dump of a process, or a restore of images, would do, need and refuse.
 *
 * @returns the exit status that the dump or the restore would have with the same options
 */
export async function runPlan(line: Canonical): Promise<number> {
  const { pid, ...options } = planOptions(line, workingDirectory())
  if (pid === undefined) return planImages({ pid, ...options }, optionsAgain(line, "restore"))
  const { checkProc, reachProcess, followParent } = await import("../flow/reach.ts")
  followParent()
  checkProc()
  const reach = reachProcess(pid, () => {})
  if ("status" in reach) return reach.status
  const { planDump } = await import("../flow/dump/plan-dump.ts")
  const { dumpPlanJson, dumpPlanText } = await import("./plan-dump.ts")
  const plan = planDump(reach.pid, options)
  print(options.json ? JSON.stringify(dumpPlanJson(plan)) : dumpPlanText(plan, pid, optionsAgain(line, "dump")))
  return plan.refusals.length > 0 ? EXIT_STATUS.E_UNSUPPORTED : 0
}

async function planImages(options: PlanOptions, given: readonly string[]): Promise<number> {
  const { checkProc } = await import("../flow/reach.ts")
  checkProc()
  const { planRestore } = await import("../flow/restore/plan-restore.ts")
  const { restorePlanJson, restorePlanText } = await import("./plan-restore.ts")
  const plan = planRestore(options)
  print(options.json ? JSON.stringify(restorePlanJson(plan, options.syscalls)) : restorePlanText(plan, options.syscalls, given))
  return plan.status
}
