import { attempt, errnoName } from "../../ffi/syscall.ts"
import { CheckpointError, type Refusal, refusedTarget } from "../base/errors.ts"
import { surveyAttributes } from "../kinds/attributes/survey.ts"
import { surveyFs } from "../kinds/cwd/collect.ts"
import { surveyDescriptors } from "../kinds/files/collect.ts"
import { refusedName } from "../kinds/files/name.ts"
import { surveyMemory } from "../kinds/memory/survey.ts"
import { surveyNamespaces, surveyTree } from "../kinds/tree/collect.ts"
import { readNamespaces } from "../proc/links.ts"
import { type MappingDetail, readSmaps } from "../proc/smaps.ts"
import { PF_KTHREAD } from "../proc/source.ts"
import { readStat } from "../proc/stat.ts"
import { readStatus } from "../proc/status.ts"
import { listThreads, readChildren } from "../proc/tasks.ts"
import { findGadgets, type Gadgets } from "../tracee/gadgets.ts"
import { codeRanges } from "./layout.ts"
import type { DumpOptions } from "./options.ts"

/** What was read before the freeze and only needs to be compared in it. */
export interface Survey {
  readonly smaps: readonly MappingDetail[]
  /** Instructions for injection, undefined when none were found. */
  readonly gadgets: Gadgets | undefined
}

/** Errors of the target itself, which no option can change. */
function checkTarget(pid: number): void {
  if (pid === process.pid)
    throw new CheckpointError("E_SELF", `Cannot dump task ${pid}`, "it is stasis itself", "Name the PID of another process")
  const alive = attempt("kill", pid, 0)
  if (alive < 0 && errnoName(-alive) === "ESRCH")
    throw new CheckpointError("E_NO_PROCESS", `Cannot dump task ${pid}`, "there is no such process", "Look for its PID with ps")
  const stat = readStat(pid)
  if (stat.flags & PF_KTHREAD)
    throw new CheckpointError(
      "E_KERNEL_THREAD",
      `Cannot dump task ${pid}`,
      `it is the kernel thread "${stat.comm}"`,
      "Name the PID of a program",
    )
  const { tgid, tracerPid } = readStatus(pid)
  if (tgid !== pid)
    throw new CheckpointError(
      "E_NO_PROCESS",
      `Cannot dump task ${pid}`,
      `it is a thread of process ${tgid}`,
      `Dump ${tgid}: a process is saved with all its threads`,
    )
  if (tracerPid !== 0)
    throw new CheckpointError(
      "E_TRACED",
      `Cannot dump task ${pid}`,
      `it is traced by process ${tracerPid}`,
      `Detach the debugger ${tracerPid}, then dump again`,
    )
  for (let ancestor = process.ppid; ancestor > 0; ancestor = readStatus(ancestor).ppid)
    if (ancestor === pid)
      throw new CheckpointError(
        "E_SELF",
        `Cannot dump task ${pid}`,
        "it is an ancestor of stasis",
        "Run stasis from outside the tree, for example with setsid",
      )
}

/**
 * Looks at everything that can be seen without stopping the target, and refuses what a dump could not keep.
 *
 * @throws CheckpointError E_NO_PROCESS, E_SELF, E_KERNEL_THREAD, E_TRACED, E_PERMISSION, E_UNSUPPORTED with every refusal
 */
export function survey({ pid, shellJob }: DumpOptions): Survey {
  checkTarget(pid)
  const smaps = readSmaps(pid)
  const refusals: Refusal[] = [
    ...surveyTree(readStat(pid), readChildren(pid), shellJob),
    ...surveyNamespaces(pid, readNamespaces(process.pid), readNamespaces(pid)),
    ...surveyMemory(pid, smaps),
    ...surveyDescriptors(pid, { shellJob }),
    ...surveyFs(pid, refusedName),
    ...surveyAttributes(pid, listThreads(pid)),
  ]
  if (refusals.length > 0) throw refusedTarget(pid, refusals)
  return { smaps, gadgets: findGadgets(pid, codeRanges(smaps)) }
}
