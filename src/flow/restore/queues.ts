import { SIG } from "../../../ffi/abi/signal.ts"
import type { signal_queue_entry } from "../../../proto/gen/siginfo_pb.ts"
import { restoreAttributes } from "../../kinds/attributes/restore.ts"
import { restoreThreadOwners } from "../../kinds/files/restore.ts"
import { restoreFutureLocks } from "../../kinds/memory/future.ts"
import { isSignal, isStop } from "../../kinds/signals/info.ts"
import { restorePending, restoreSigactions } from "../../kinds/signals/restore.ts"
import { createPosixTimers, kernelRestoresTimerIds } from "../../kinds/timers/restore.ts"
import { Program } from "../../tracee/program.ts"
import { type SavedProcess, type SavedThread, stopSignalOf } from "../images.ts"
import { fileOptions } from "./build.ts"
import type { ProcessPlan, RestoreContext } from "./restore-context.ts"

/**
 * Program of each thread when all of the tree are there: what needs them, and every queue of signals.
 *
 * @param waits a child is to be stopped yet: what concerns SIGCHLD comes after that, see ./stops.ts
 */
export function buildQueues(
  saved: SavedProcess,
  { tid, core }: SavedThread,
  { makes }: ProcessPlan,
  context: RestoreContext,
  waits: boolean,
): Program {
  const { tree, tc, mm, extension } = saved
  const { pid } = tree
  const program = new Program()
  if (tid === pid) {
    if (makes.files) restoreThreadOwners(saved.files, program, fileOptions(saved, context))
    createPosixTimers(tc.timers?.posix ?? [], program, kernelRestoresTimerIds())
    restoreAttributes({ entry: tc, mm, extension }, program)
    if (makes.memory) restoreFutureLocks(extension?.mlock_future, program)
    if (makes.handlers && !waits) restoreSigactions(tc.sigactions, program, "SIGCHLD")
    restorePending(onTime(tc.signals_s, waits), program, { pid, tid, shared: true })
  }
  restorePending(onTime(core.signals_p, waits), program, { pid, tid, shared: false })
  return program
}

/** SIGSTOP cannot be blocked, so it would stop the building: it is sent when all is done, see `stopIsPending`. */
const onTime = (queue: signal_queue_entry | undefined, waits: boolean): signal_queue_entry | undefined =>
  queue && { signals: queue.signals.filter(({ siginfo: info }) => !isStop(info) && !(waits && isSignal(info, SIG.CHLD))) }

/** What a queue holds of SIGCHLD. */
export const ofChildren = (queue: signal_queue_entry | undefined): signal_queue_entry | undefined =>
  queue && { signals: queue.signals.filter(({ siginfo: info }) => isSignal(info, SIG.CHLD)) }

/** True when a process stops as soon as it runs: it was stopped, or a SIGSTOP was on its way to it. */
export const stopsAtOnce = (saved: SavedProcess): boolean => stopSignalOf(saved) !== 0 || stopIsPending(saved)

const stopIsPending = ({ tc, threads }: SavedProcess): boolean =>
  [tc.signals_s, ...threads.map(({ core }) => core.signals_p)].some((queue) => queue?.signals.some(({ siginfo: info }) => isStop(info)))
