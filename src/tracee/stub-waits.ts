import { SIG } from "../../ffi/abi/signal.ts"
import { CheckpointError } from "../base/errors.ts"
import { FAULTS } from "./halt.ts"
import { getRegisters, ptrace } from "./trace.ts"
import { type Deadline, type Report, waitReport } from "./wait.ts"

/** Waits for threads of processes under restore. Each throws CheckpointError E_RESTORE one ended or faulted · E_TIMEOUT · E_INTERRUPTED */

/** The failure of a restore one of whose threads ended. @param status of wait(2) */
export const died = (pid: number, tid: number, status: number): CheckpointError =>
  new CheckpointError(
    "E_RESTORE",
    `Cannot build process ${pid}`,
    `thread ${tid} ended with wait status 0x${status.toString(16)}`,
    "Look at the kernel log: the memory limit of the cgroup may be too small",
  )

const faulted = (pid: number, tid: number, signal: number): CheckpointError =>
  new CheckpointError(
    "E_RESTORE",
    `Cannot build process ${pid}`,
    `thread ${tid} got signal ${signal} at 0x${getRegisters(tid).ip.toString(16)}`,
    "Report this with the log of -v4",
  )

/** Whether a thread was told to stop by SIGSTOP, which cannot be blocked. */
export const isStop = (report: Report): boolean => report.kind === "signal-stop" && report.signal === SIG.STOP

/** Waits for the next stop at the border of a system call. @param stops gets the process if it is told to stop meanwhile */
export function waitForSyscall(pid: number, tid: number, deadline: Deadline, stops: Set<number>): void {
  for (;;) {
    const report = waitReport(tid, deadline, `a call in thread ${tid}`)
    if (report.kind === "gone") throw died(pid, tid, report.status)
    if (report.kind === "syscall-stop") return
    if (isStop(report)) stops.add(pid)
    else if (report.kind === "signal-stop" && FAULTS.has(report.signal)) throw faulted(pid, tid, report.signal)
    ptrace("SYSCALL", tid)
  }
}

/** Waits until a task has ended by its own last call. A signal that it sends itself is let through. */
export function waitForEnd(tid: number, deadline: Deadline): void {
  for (;;) {
    const report = waitReport(tid, deadline, `the end of task ${tid}`)
    if (report.kind === "gone") return
    ptrace("CONT", tid, 0, report.kind === "signal-stop" ? report.signal : 0)
  }
}

/**
 * Waits until a stub has run to its end, which its address tells: above RLIMIT_SIGPENDING the signal comes without its siginfo.
 *
 * @param stops as for `waitForSyscall`
 */
export function waitForStop(pid: number, tid: number, end: { signal: number; at: bigint }, deadline: Deadline, stops: Set<number>): void {
  for (;;) {
    const report = waitReport(tid, deadline, `the calls in thread ${tid}`)
    if (report.kind === "gone") throw died(pid, tid, report.status)
    if (isStop(report)) stops.add(pid)
    else if (report.kind === "signal-stop") {
      const { ip } = getRegisters(tid)
      if (report.signal === end.signal && ip === end.at) return
      // Anything else that is not blocked comes from a fault of the program itself.
      if (report.signal !== end.signal) throw faulted(pid, tid, report.signal)
    }
    ptrace("CONT", tid)
  }
}
