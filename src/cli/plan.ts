import { EXIT_STATUS } from "../base/errors.ts"
import type { PlanOptions } from "../flow/options.ts"
import { print } from "./print.ts"

/**
 * `stasis plan`: what a dump of a process, or a restore of images, would do, need and refuse.
 *
 * @returns the exit status that the dump or the restore would have with the same options
 */
export async function runPlan({ pid, ...options }: PlanOptions): Promise<number> {
  if (pid === undefined) return planImages({ pid, ...options })
  const { checkProc, reachProcess, followParent } = await import("../flow/reach.ts")
  followParent()
  checkProc()
  const reach = reachProcess(pid, () => {})
  if ("status" in reach) return reach.status
  const { planDump } = await import("../flow/dump/plan-dump.ts")
  const { dumpPlanJson, dumpPlanText, givenWords } = await import("./plan-dump.ts")
  const plan = planDump(reach.pid, options)
  print(options.json ? JSON.stringify(dumpPlanJson(plan)) : dumpPlanText(plan, pid, givenWords(options)))
  return plan.refusals.length > 0 ? EXIT_STATUS.E_UNSUPPORTED : 0
}

async function planImages(options: PlanOptions): Promise<number> {
  const { checkProc } = await import("../flow/reach.ts")
  checkProc()
  const { planRestore } = await import("../flow/restore/plan-restore.ts")
  const { restorePlanJson, restorePlanText } = await import("./plan-restore.ts")
  const plan = planRestore(options)
  print(options.json ? JSON.stringify(restorePlanJson(plan, options.syscalls)) : restorePlanText(plan, options.syscalls))
  return plan.status
}
