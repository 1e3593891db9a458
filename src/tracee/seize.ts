import { PTRACE, PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { pause } from "../../ffi/interrupt.ts"
import { errnoName, SyscallError } from "../../ffi/syscall.ts"
import { failuresOf } from "../base/all.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import { type FrozenProcess, type FrozenThread, readThread, release } from "./frozen.ts"
import { type Late, lateReport } from "./late.ts"
import { ptrace, tryPtrace } from "./trace.ts"
import { aboutTracer } from "./tracer.ts"
import { isSuspended } from "./vfork.ts"
import { checkDeadline, type Deadline, waitReport } from "./wait.ts"

const log = logger("seize")

/** How tasks are found while they are being stopped. */
export interface TaskLists {
  /** Thread IDs of a process at this moment, [] when it is gone. */
  threads(pid: number): readonly number[]
  /** TracerPid of a thread, 0 = none. */
  tracer(tid: number): number
}

function hasEnded(tid: number): boolean {
  const state = readStatusIfAlive(tid)?.state
  return state === undefined || state === "Z" || state === "X"
}

/** Attaches to one thread without stopping it. False when the thread is gone. */
function seizeThread({ pid, traceOptions }: Seizure, tid: number, tracer: (tid: number) => number): boolean {
  const answer = tryPtrace("SEIZE", tid, 0, traceOptions)
  if (answer === 0) return true
  const errno = errnoName(-answer)
  // A thread that has ended but is still listed is refused as if it were forbidden.
  if (errno === "ESRCH" || hasEnded(tid)) return false
  const cause = new SyscallError("ptrace", errno, [PTRACE.SEIZE, tid, 0, traceOptions])
  const by = tracer(tid)
  if (by)
    throw new CheckpointError(
      "E_TRACED",
      `Cannot seize task ${pid}`,
      ...aboutTracer(by, readStatusIfAlive(by)?.name, readStatusIfAlive(process.pid)?.name ?? ""),
      cause,
    )
  throw new CheckpointError(
    "E_PERMISSION",
    `Cannot seize task ${pid}`,
    `the kernel refuses to trace thread ${tid}`,
    "Run as root or with CAP_SYS_PTRACE; look at /proc/sys/kernel/yama/ptrace_scope and at the container's seccomp profile",
    cause,
  )
}

/** Why a thread has not come to the stop that was asked of it. */
const lateStop = (pid: number, tid: number): Late =>
  isSuspended(pid, tid)
    ? {
        found: `thread ${tid} is suspended by vfork until its child has executed a program or ended`,
        next: "Dump again when the child has",
      }
    : lateReport(tid)

/**
 * Brings one seized thread into an event-stop. A signal on its way is delivered first, as without us.
 *
 * @returns the signal of the group stop that the thread is in, 0 = none; undefined when the thread ended instead
 */
function interrupt({ pid, relieve }: Seizure, tid: number, deadline: Deadline): number | undefined {
  for (;;) {
    const relieved = (): void => {
      if (isSuspended(pid, tid)) relieve?.()
    }
    const report = waitReport(tid, deadline, `the freeze of thread ${tid}`, relieved, () => lateStop(pid, tid))
    if (report.kind === "gone") return undefined
    if (report.kind === "event-stop") return report.signal === SIG.TRAP ? 0 : report.signal
    // Any stop clears the one that was asked for, so it is asked for again before the thread goes on.
    tryPtrace("INTERRUPT", tid)
    ptrace("CONT", tid, 0, report.kind === "signal-stop" ? report.signal : 0)
  }
}

/** The threads of one process on their way into our hands. */
export interface Seizure {
  readonly pid: number
  /** Attached, and stopped unless they are in `moving`. */
  readonly seized: Set<number>
  /** Attached and asked to stop. */
  readonly moving: number[]
  stopSignal: number
  /** Called again and again while a thread is suspended by vfork. */
  readonly relieve: (() => void) | undefined
  /** As of `FrozenProcess`. */
  readonly traceOptions: number
}

/** A process of which nothing is seized yet. @param relieve, traceOptions see `Seizure` */
export const beginSeizure = (pid: number, relieve?: () => void, traceOptions: number = PTRACE_O.TRACESYSGOOD): Seizure => ({
  pid,
  seized: new Set(),
  moving: [],
  stopSignal: 0,
  relieve,
  traceOptions,
})

/** Attaches to threads that are not yet ours, and asks them to stop. @returns whether there were any */
export function attach(seizure: Seizure, lists: TaskLists): boolean {
  const { pid, seized, moving } = seizure
  const before = moving.length
  for (const tid of lists.threads(pid)) {
    if (seized.has(tid) || !seizeThread(seizure, tid, lists.tracer)) continue
    seized.add(tid)
    moving.push(tid)
    tryPtrace("INTERRUPT", tid)
  }
  return moving.length > before
}

/** Waits until every thread that was asked has stopped. */
export function settle(seizure: Seizure, deadline: Deadline): void {
  for (const tid of seizure.moving.splice(0)) {
    const signal = interrupt(seizure, tid, deadline)
    if (signal === undefined) seizure.seized.delete(tid)
    else if (signal) seizure.stopSignal = signal
  }
}

/**
 * Stops threads until the process has no other. Its count decides: a list ends early when a thread ends while the kernel writes it.
 * Kernel: fs/proc/base.c next_tid()
 */
export function stopAll(seizure: Seizure, deadline: Deadline, lists: TaskLists): void {
  for (;;) {
    const fresh = attach(seizure, lists)
    settle(seizure, deadline)
    if (fresh) continue
    const { pid, seized } = seizure
    const existing = readStatusIfAlive(pid)?.threads ?? 0
    if (!seized.has(pid) || existing <= seized.size) return
    checkDeadline(deadline, `the freeze of process ${pid}`, () => ({
      found: `it has ${existing} threads and lists ${seized.size}: one is about to end`,
      next: "Dump again when it has",
    }))
    pause(1)
  }
}

/** Reads the state of stopped threads. @throws CheckpointError E_NO_PROCESS the leader is not among them */
export function readFrozen({ pid, seized, stopSignal, traceOptions }: Seizure, frozenAt: number): FrozenProcess {
  const threads: FrozenThread[] = []
  for (const tid of seized)
    try {
      threads.push(readThread(tid))
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === "ESRCH")) throw error
      throw new CheckpointError(
        "E_TARGET_DIED",
        `Cannot freeze task ${pid}`,
        `thread ${tid} was killed while it was being frozen`,
        "Find out who sent SIGKILL; nothing was written",
        error,
      )
    }
  threads.sort((a, b) => (a.tid === pid ? -1 : b.tid === pid ? 1 : a.tid - b.tid))
  if (threads[0]?.tid !== pid)
    throw new CheckpointError(
      "E_NO_PROCESS",
      `Cannot seize task ${pid}`,
      "it ended while it was being frozen",
      "Look for its successor with ps",
    )
  log.debug(`froze task ${pid}: ${threads.length} threads`)
  let ended = false
  const frozen: FrozenProcess = {
    pid,
    threads,
    frozenAt,
    stopSignal,
    traceOptions,
    heldSignals: [],
    ending: "run",
    [Symbol.dispose]: () => {
      // Once: afterwards the threads run, and their IDs may soon be others'.
      if (ended) return
      ended = true
      release(frozen, seized)
    },
  }
  return frozen
}

/** Lets go of threads that were not read yet, for a freeze that failed. */
export const abandon = ({ pid, seized, stopSignal }: Seizure): void =>
  release({ pid, threads: [], heldSignals: [], ending: "run", stopSignal }, seized)

/**
 * Stops every thread of a process, threads included that appear meanwhile.
 *
 * @throws CheckpointError E_TRACED · E_PERMISSION · E_NO_PROCESS · E_TIMEOUT · E_INTERRUPTED; every thread runs on then
 * Kernel: ptrace(2) PTRACE_SEIZE, PTRACE_INTERRUPT. Precondition: all of it on one thread of the tool.
 */
export function seizeProcess(pid: number, deadline: Deadline, lists: TaskLists): FrozenProcess {
  const seizure = beginSeizure(pid)
  const frozenAt = performance.now()
  try {
    stopAll(seizure, deadline, lists)
    return readFrozen(seizure, frozenAt)
  } catch (error) {
    for (const failure of failuresOf([seizure], abandon)) log.error(`task ${pid}: ${failure}`)
    throw error
  }
}
