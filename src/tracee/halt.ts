import { SI, SIG } from "../../ffi/abi/signal.ts"
import { pause } from "../../ffi/interrupt.ts"
import { logger } from "../base/log.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import { getSignalOrigin, tryPtrace } from "./trace.ts"
import { cleanupDeadline, type Deadline, waitReport } from "./wait.ts"

const log = logger("seize")

/**
 * What a failing instruction raises. Sent by somebody they are blocked, so one that is met is the stub's own, and of no use to the target.
 */
export const FAULTS: ReadonlySet<number> = new Set([SIG.ILL, SIG.TRAP, SIG.BUS, SIG.FPE, SIG.SEGV, SIG.SYS])

/** A thread that is ours, and whether it was let run. */
interface Runner {
  readonly tid: number
  running: boolean
}

/** What halting needs of a process, see `FrozenProcess`. */
interface Halting {
  readonly pid: number
  readonly threads: readonly Runner[]
  readonly heldSignals: number[]
  ending: "run" | "stop" | "dead"
}

/**
 * True when a stub ended itself by the signal that a thread is stopped at; false when somebody else's stood for it as well.
 *
 * Without a siginfo the kernel shows SI_USER of process 0. Kernel: kernel/signal.c __send_signal_locked()
 */
export function isStubSignal(tid: number): boolean {
  const { code, pid } = getSignalOrigin(tid)
  return code === SI.TKILL || (code === SI.USER && pid === 0)
}

/**
 * Stops every thread that was let run something of ours and was not waited for to its end: of a run that was given up. All are asked at
 * once. None is at the entry of a system call then: registers set there would have the call made, or made again.
 *
 * @returns false when one does not stop within the time of a clean-up; a process that turns out to be dead is marked so
 * @throws SyscallError ESRCH a thread was killed this moment
 */
export function haltAll(process: Halting): boolean {
  const running = process.threads.filter((thread) => thread.running)
  for (const { tid } of running) tryPtrace("INTERRUPT", tid)
  const deadline = cleanupDeadline()
  for (const thread of running)
    try {
      halt(process, thread, deadline)
    } catch (error) {
      if (performance.now() <= deadline.at) throw error
      log.error(`thread ${thread.tid} of task ${process.pid} does not stop: ${error}`)
    }
  return running.every((thread) => !thread.running)
}

function halt(process: Halting, thread: Runner, deadline: Deadline): void {
  const { tid } = thread
  for (;;) {
    const report = waitReport(tid, deadline, `the stop of thread ${tid}`)
    const isToStop = report.kind === "signal-stop" && report.signal === SIG.STOP
    if (report.kind === "syscall-stop" || isToStop) {
      // Any stop clears the one that was asked for.
      tryPtrace("INTERRUPT", tid)
      // Passed on, for the reason that is told in ./host.ts: expectStop.
      tryPtrace("CONT", tid, 0, isToStop ? SIG.STOP : 0)
      continue
    }
    if (report.kind === "gone") process.ending = "dead"
    else if (report.kind === "signal-stop" && !FAULTS.has(report.signal)) {
      // But for SIGSTOP, the signal that ends a stub is the only one that is not blocked.
      if (!isStubSignal(tid)) process.heldSignals.push(report.signal)
    }
    thread.running = false
    return
  }
}

/** Time that threads get to come into a stop, ms. A processor may be hogged; one that spins may have been continued by somebody. */
const COMING = 100

/**
 * Waits until threads of a stopped process that were let go are in the stop again. The kernel wakes each to come into it by itself, and
 * until then others see it running: its parent, which is let go next. Kernel: kernel/ptrace.c __ptrace_unlink()
 */
export function awaitStop(tids: readonly number[]): void {
  const end = performance.now() + COMING
  for (const tid of tids) while (readStatusIfAlive(tid)?.state === "R" && performance.now() < end) pause(1)
}
