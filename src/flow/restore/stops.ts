import { SIG } from "../../../ffi/abi/signal.ts"
import { attempt } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import { restorePending, restoreSigactions } from "../../kinds/signals/restore.ts"
import { appendStopSeen } from "../../kinds/tree/restore.ts"
import { Program } from "../../tracee/program.ts"
import type { Job, StubArea } from "../../tracee/stub-area.ts"
import { ptrace } from "../../tracee/trace.ts"
import { fixedDeadline, waitReport } from "../../tracee/wait.ts"
import { type SavedProcess, type SavedTree, stopSignalOf } from "../images.ts"
import { ofChildren } from "./queues.ts"
import { type Departure, isOnItsWay, putRegisters } from "./release.ts"

/** Processes that stop at the same time, and what their parents do after that. */
interface Level {
  readonly stopped: readonly SavedProcess[]
  readonly jobs: readonly Job[]
}

/**
 * How stopped processes are stopped again without their parents hearing of it twice: a parent gets its action for SIGCHLD, and what is
 * queued of that, when its children have stopped and it has waited for them. Those below come first, since a stopped parent does nothing
 * any more.
 */
interface Stops {
  readonly levels: readonly Level[]
  /** Parents of what stops. */
  readonly parents: ReadonlySet<SavedProcess>
}

/** @param makesHandlers whether a process sets its signal actions itself; one that shares them leaves them to whoever does */
export function planStops({ processes }: SavedTree, makesHandlers: (one: SavedProcess) => boolean): Stops {
  const byPid = new Map(processes.map((one) => [one.tree.pid, one]))
  const parentOf = ({ tree }: SavedProcess): SavedProcess | undefined => byPid.get(tree.ppid)
  const holders = Map.groupBy(processes, ({ ids }) => ids.vm_id)
  // Who shares memory needs the stub's area as long as any other does, and is stopped when it is let go.
  const stopped = processes.filter((one) => stopSignalOf(one) !== 0 && holders.get(one.ids.vm_id)?.length === 1)
  const depthOf = (one: SavedProcess): number => {
    let depth = 0
    for (let at = parentOf(one); at; at = parentOf(at)) if (stopped.includes(at)) depth++
    return depth
  }
  const depths = [...Map.groupBy(stopped, depthOf)].sort(([a], [b]) => b - a)
  const isParent = (one: SavedProcess | undefined): one is SavedProcess => one !== undefined && makesHandlers(one)
  const parents = new Set(stopped.map(parentOf).filter(isParent))
  // A parent listens when the last of its children has stopped, whatever is below those.
  const levels = depths.map(([, level]) => {
    const done = new Set(level.map(parentOf).filter(isParent))
    return {
      stopped: level,
      jobs: [...done].flatMap((parent) =>
        listen(
          parent,
          level.filter((one) => parentOf(one) === parent),
        ),
      ),
    }
  })
  return { levels, parents }
}

/** What each thread of a parent does when these children have stopped. */
const listen = ({ tree: { pid }, tc, threads }: SavedProcess, children: readonly SavedProcess[]): Job[] =>
  threads.map(({ tid, core }) => {
    const program = new Program()
    if (tid === pid) {
      for (const { tree, extension } of children) if (!extension?.stop_unseen) appendStopSeen(tree.pid, program)
      restoreSigactions(tc.sigactions, program, "SIGCHLD")
      restorePending(ofChildren(tc.signals_s), program, { pid, tid, shared: true })
    }
    restorePending(ofChildren(core.signals_p), program, { pid, tid, shared: false })
    return { pid, tid, program }
  })

/**
 * Stops what was stopped. Precondition: all else is done in the whole tree.
 *
 * @returns processes that have stopped; their threads have their registers, and lack their masks
 */
export function runStops({ levels }: Stops, departures: readonly Departure[], stubArea: StubArea): Set<number> {
  const stopped = new Set<number>()
  const byPid = Map.groupBy(departures, ({ pid }) => pid)
  for (const level of levels) {
    const pids = level.stopped.map(({ tree }) => tree.pid)
    stubArea.remove(pids)
    for (const pid of pids) stopAgain(pid, byPid.get(pid) ?? [])
    stubArea.run(level.jobs)
    for (const pid of pids) stopped.add(pid)
  }
  return stopped
}

/**
 * Lets every thread run into the stop before it comes to an instruction of its own: first the leader, to which SIGSTOP is sent, then the
 * others, which are to stop by then. All signals that can be are still blocked. A SIGCONT of somebody else's undoes the stop: the process
 * then waits for its release like any other. Kernel: kernel/signal.c do_signal_stop(), do_jobctl_trap()
 */
function stopAgain(pid: number, departures: readonly Departure[]): void {
  for (const departure of departures) putRegisters(departure)
  attempt("tgkill", pid, pid, SIG.STOP)
  const leaderFirst = departures.toSorted((a, b) => Number(b.thread.tid === pid) - Number(a.thread.tid === pid))
  for (const { thread } of leaderFirst) runIntoStop(pid, thread.tid)
}

/** Time for a thread to come into the stop of its process, seconds. */
const STOP = 10

function runIntoStop(pid: number, tid: number): void {
  const isLeader = tid === pid
  // Asked for at once where no signal has to be taken first, so that nobody runs on who has no reason to stop any more.
  if (!isLeader) ptrace("INTERRUPT", tid)
  ptrace("CONT", tid)
  for (;;) {
    const report = waitReport(tid, fixedDeadline(STOP), `the stop of thread ${tid}`)
    if (report.kind === "gone")
      throw new CheckpointError("E_RESTORE", `Cannot stop process ${pid} again`, `thread ${tid} ended`, "Look at the kernel log")
    if (report.kind === "event-stop" && !(isLeader && report.signal === SIG.TRAP && isOnItsWay(pid, SIG.STOP))) return
    if (report.kind === "signal-stop") ptrace("INTERRUPT", tid)
    ptrace("CONT", tid, 0, report.kind === "signal-stop" ? report.signal : 0)
  }
}
