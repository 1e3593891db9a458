import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { Range } from "../../base/units.ts"
import type { Mapping } from "../../proc/maps.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { FrozenProcess, FrozenThread } from "../../tracee/frozen.ts"
import { type CodeRange, findGadgets, type Gadgets, gadgetsStand } from "../../tracee/gadgets.ts"
import { framePagesSize, type LoanTerms } from "../../tracee/host.ts"
import { findLeftovers, isInLeftover } from "../../tracee/leftover.ts"
import { chooseStubSignal, isLoanMask, NO_STUB_SIGNAL, signalUse } from "../../tracee/stub-signal.ts"
import { untouchedPages } from "./frame-pages.ts"
import type { InspectedThread } from "./threads.ts"

const log = logger("dump")

/**
 * Executable mappings in which injection may look for instructions. Not huge pages: a look at one that is absent would take it from the
 * pool.
 */
export const codeRanges = (mappings: readonly (Mapping & Partial<Pick<MappingDetail, "vmFlags">>)[]): CodeRange[] =>
  mappings.filter(({ exec, read, path, vmFlags }) => exec && read && path !== "[vsyscall]" && !vmFlags?.has("ht"))

/**
 * What the target lends for injection.
 *
 * @param users all threads that use its memory   @param taken frames of the processes that share its memory
 * @throws CheckpointError E_INJECTION naming what it lacks
 */
export function findTerms(
  frozen: FrozenProcess,
  threads: readonly InspectedThread[],
  users: readonly FrozenThread[],
  mappings: readonly MappingDetail[],
  known: Gadgets | undefined,
  taken: readonly Range[],
): LoanTerms {
  const { pid } = frozen
  const action = `Cannot ask task ${pid} about itself`
  const gadgets = known && gadgetsStand(pid, known) ? known : findGadgets(pid, codeRanges(mappings))
  if (!gadgets)
    throw new CheckpointError(
      "E_INJECTION",
      action,
      "it has no system call instruction in any readable executable mapping",
      "Run it with the vdso enabled",
    )
  const leftovers = leftoversOf(pid, mappings)
  const stackPointers = users.map(({ registers }) => registers.sp)
  // Not in a leftover: a thread on its way back may give that away before another has come by its frame.
  const used = [...taken, ...leftovers]
  const framePages = untouchedPages(pid, mappings, framePagesSize(frozen), stackPointers, isQuiet(users, leftovers), used)
  const stubSignal = chooseStubSignal(
    signalUse(
      threads.map(({ status }) => status),
      threads.map(({ frozen: { mask } }) => mask),
    ),
  )
  if (stubSignal === undefined) throw new CheckpointError("E_INJECTION", action, `it is ${NO_STUB_SIGNAL.what}`, NO_STUB_SIGNAL.remedy)
  return { gadgets, framePages, stubSignal }
}

const leftoversOf = (pid: number, mappings: readonly MappingDetail[]): Range[] =>
  findLeftovers(
    pid,
    mappings.filter(({ exec, write, inode, path }) => exec && !write && inode === 0n && path === ""),
  )

/**
 * False when a thread may be on its way back from a killed run, or from several, one after the other: by areas and frames that must stay as
 * they are.
 *
 * @param users all threads that use this memory   @param leftovers without the areas that the questions will remove
 */
const isQuiet = (users: readonly FrozenThread[], leftovers: readonly Range[]): boolean =>
  !users.some(({ mask }) => isLoanMask(mask)) && leftovers.length === 0

/**
 * Areas that an earlier, killed run left behind. They go with the next questions, but all stay while a thread is on its way back through
 * them: it may have come there from another, and returns by the same way. A stopped process stays on that way until it is continued.
 *
 * @param users all threads that use this memory: those of processes that share it go through the same areas
 */
export function removableLeftovers(pid: number, users: readonly FrozenThread[], mappings: readonly MappingDetail[]): Range[] {
  const leftovers = leftoversOf(pid, mappings)
  if (leftovers.length === 0 || users.some(({ registers: { ip }, mask }) => isLoanMask(mask) || isInLeftover(pid, ip))) return []
  log.warn(`task ${pid}: removing what a killed run of stasis left in it`)
  return leftovers
}
