import { SIG } from "../../ffi/abi/signal.ts"
import { FileError } from "../../ffi/fs.ts"
import { attempt, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError, type ErrorCode } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import type { Range } from "../kinds/memory/holes.ts"
import type { MappingDetail } from "../proc/smaps.ts"
import { isEnding } from "../proc/stat.ts"
import { listThreadsIfAlive } from "../proc/tasks.ts"
import type { FrozenTree } from "../tracee/freeze.ts"
import type { FrozenProcess } from "../tracee/frozen.ts"
import { findGadgets, type Gadgets, gadgetsStand } from "../tracee/gadgets.ts"
import { framePagesSize, type LoanTerms } from "../tracee/host.ts"
import { findLeftovers, isInLeftover } from "../tracee/leftover.ts"
import { chooseStopSignal, isLoanMask } from "../tracee/loan.ts"
import { cleanupDeadline, type Deadline, waitReport } from "../tracee/wait.ts"
import { codeRanges, untouchedPages } from "./layout.ts"
import type { InspectedThread } from "./threads.ts"

const log = logger("dump")

/** What the target lends for injection. @throws CheckpointError E_INJECTION naming what it lacks */
export function findTerms(
  frozen: FrozenProcess,
  threads: readonly InspectedThread[],
  mappings: readonly MappingDetail[],
  known: Gadgets | undefined,
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
  const stackPointers = frozen.threads.map(({ registers }) => registers.sp)
  const framePages = untouchedPages(pid, mappings, framePagesSize(frozen), stackPointers, isQuiet(frozen, mappings))
  const union = (pick: (thread: InspectedThread) => bigint): bigint => threads.reduce((set, thread) => set | pick(thread), 0n)
  const pending = union(({ status }) => status.sigPending | status.sharedPending)
  const stopSignal = chooseStopSignal(
    union(({ status }) => status.sigCaught),
    union(({ frozen: { mask } }) => mask),
    pending,
  )
  if (stopSignal === undefined)
    throw new CheckpointError(
      "E_INJECTION",
      action,
      "it uses SIGURG, SIGWINCH, SIGCHLD and SIGCONT all at once",
      "Let the program leave one of them at its default",
    )
  return { gadgets, framePages, stopSignal }
}

const leftoversOf = (pid: number, mappings: readonly MappingDetail[]): Range[] =>
  findLeftovers(
    pid,
    mappings.filter(({ exec, write, inode, path }) => exec && !write && inode === 0n && path === ""),
  )

/**
 * False when a thread may be on its way back from a killed run, or from several, one after the other: by areas and frames that must stay as they are.
 *
 * @param mappings those that will go left out
 */
const isQuiet = ({ pid, threads }: FrozenProcess, mappings: readonly MappingDetail[]): boolean =>
  !threads.some(({ mask }) => isLoanMask(mask)) && leftoversOf(pid, mappings).length === 0

/**
 * Areas that an earlier, killed run left behind. They go with the next questions, but all stay while a thread is on its way back through them:
 * it may have come there from another, and returns by the same way. A stopped process stays on that way until it is continued.
 */
export function removableLeftovers(frozen: FrozenProcess, mappings: readonly MappingDetail[]): Range[] {
  const leftovers = leftoversOf(frozen.pid, mappings)
  if (leftovers.length === 0 || frozen.threads.some(({ registers: { ip }, mask }) => isLoanMask(mask) || isInLeftover(frozen.pid, ip)))
    return []
  log.warn(`task ${frozen.pid}: removing what a killed run of stasis left in it`)
  return leftovers
}

/**
 * Ends the saved tree: all at once, so that nobody sees another one's end. The root's own parent reaps it, init the rest.
 *
 * @param patience how long each thread may take, which frees the memory when it is the last; after that it is only told: the set is complete,
 * and nothing of the tree ever runs again
 */
export function kill({ processes }: Pick<FrozenTree, "processes">, patience: () => Deadline = cleanupDeadline): void {
  for (const process of processes) {
    attempt("kill", process.pid, SIG.KILL)
    process.ending = "dead"
  }
  // Threads first: the leader reports its end when it is the last.
  for (const { pid, threads } of processes)
    try {
      for (const { tid } of [...threads].reverse()) while (waitReport(tid, patience(), `the end of thread ${tid}`).kind !== "gone");
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
      log.warn(`process ${pid} is saved and was killed, but has not ended yet: its PID is free when it has`)
    }
}

/** Failures by which an end shows too: of a process that is ending much cannot be read any more, and looks as if it were not supported. */
const BY_DEATH: readonly ErrorCode[] = ["E_UNSUPPORTED", "E_NAMESPACE", "E_KERNEL", "E_PERMISSION", "E_INJECTION"]

/** True when every thread is ending or gone: a leader may end before the others. */
const isDying = (pid: number): boolean => (listThreadsIfAlive(pid) ?? []).every((tid) => isEnding(pid, tid))

/** The processes of a tree, whether frozen or not. */
export interface TreeMembers {
  readonly root: number
  readonly processes: readonly Pick<FrozenProcess, "pid">[]
}

/** A failure while the tree was looked at or saved, told as what it means for the dump. */
export function asDumpError({ root: pid, processes }: TreeMembers, error: unknown): unknown {
  const action = `Cannot dump task ${pid}`
  const asItIs = error instanceof CheckpointError && !BY_DEATH.includes(error.code)
  const dead = asItIs ? undefined : processes.find((process) => isDying(process.pid))
  if (dead)
    return new CheckpointError(
      "E_TARGET_DIED",
      action,
      dead.pid === pid ? "it ended while it was looked at" : `process ${dead.pid} of it ended while it was looked at`,
      "Find out why it ended; no image was written",
      error,
    )
  if (!(error instanceof SyscallError || error instanceof FileError)) return error
  return new CheckpointError("E_INJECTION", action, "a call failed", "Read the log of -v4; the task runs on as before", error)
}
