import { PTRACE_EVENT_STOP } from "../../ffi/abi/ptrace.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { W } from "../../ffi/abi/wait.ts"
import { interruptedBy } from "../../ffi/interrupt.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { readStatIfAlive } from "../proc/stat.ts"
import { listThreadsIfAlive } from "../proc/tasks.ts"
import { type Late, lateReport } from "./late.ts"

const memory = allocate(4096)

/** A point in time that waits must not pass, in ms of performance.now(). Infinity = none. */
export interface Deadline {
  readonly at: number
  /** What it was from the beginning, seconds. */
  readonly seconds: number
  /** Chosen by this tool: no option makes it longer. */
  readonly fixed?: boolean
  /** Waits of clean-up: they go on although the user asked the tool to stop. */
  readonly deaf?: boolean
}
/** A deadline so many seconds from now; 0 = none, as CRIU's --timeout 0. */
export const deadlineIn = (seconds: number): Deadline => ({
  at: seconds === 0 ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000,
  seconds,
})

/** A deadline for what needs next to no time on any machine, seconds. */
export const fixedDeadline = (seconds: number): Deadline => ({ ...deadlineIn(seconds), fixed: true })

/** How long a clean-up waits for a task that should answer at once, seconds. */
const CLEANUP = 5
/** The deadline of a clean-up, which goes on although the user asked the tool to stop. */
export const cleanupDeadline = (): Deadline => ({ ...fixedDeadline(CLEANUP), deaf: true })

/** Makes the deadline of one wait: what comes late in a long run has as much time as what comes early. */
export type Patience = () => Deadline
export const patienceOf =
  (seconds: number): Patience =>
  () =>
    deadlineIn(seconds)

/** How a traced thread reported itself. `signal` of an event-stop is SIGTRAP, or the stopping signal of a group stop. */
export type Report =
  | { readonly kind: "event-stop"; readonly signal: number }
  | { readonly kind: "signal-stop"; readonly signal: number }
  | { readonly kind: "syscall-stop" }
  | { readonly kind: "gone"; readonly status: number }

/** Stands for the status of a task that somebody else waited for; no end has it. */
const UNKNOWN_STATUS = -1

/** Turns a wait status into what happened. Man page: ptrace(2), "Stopped states". */
export function reportOf(status: number): Report {
  if ((status & 0xff) !== 0x7f) return { kind: "gone", status }
  const signal = (status >> 8) & 0xff
  if (status >> 16 === PTRACE_EVENT_STOP) return { kind: "event-stop", signal }
  if (signal === (SIG.TRAP | 0x80)) return { kind: "syscall-stop" }
  return { kind: "signal-stop", signal }
}

/** @throws CheckpointError E_INTERRUPTED the user asked the tool to stop while `doing` */
export function checkInterrupt(doing: string): void {
  const signal = interruptedBy()
  if (signal)
    throw new CheckpointError(
      "E_INTERRUPTED",
      `Cannot finish ${doing}`,
      `signal ${signal} asked stasis to stop`,
      "Run the command again when ready",
    )
}

/**
 * Ends a wait whose deadline has passed, or whose user asked the tool to stop.
 *
 * @param doing what takes so long   @param late asked for the reason, and for what to do, when the deadline has passed
 * @throws CheckpointError E_TIMEOUT · E_INTERRUPTED unless the deadline is deaf
 */
export function checkDeadline(deadline: Deadline, doing: string, late: () => Late): void {
  if (!deadline.deaf) checkInterrupt(doing)
  if (performance.now() <= deadline.at) return
  const { found, next } = late()
  throw new CheckpointError(
    "E_TIMEOUT",
    `Cannot finish ${doing}`,
    `after ${deadline.seconds} s ${found}`,
    deadline.fixed ? next : `${next}, or give a longer --timeout`,
  )
}

/**
 * Waits for the next report of one traced thread or child.
 *
 * @param meanwhile called every 20 ms while there is none   @param late as of `checkDeadline`
 * @returns "gone" with `UNKNOWN_STATUS` for what is neither our tracee nor our child, or not any more
 * @throws CheckpointError E_TIMEOUT, E_INTERRUPTED
 * Precondition for deadlines: `holdInterrupts` is active, else the wait ends only with a report.
 */
export function waitReport(
  tid: number,
  deadline: Deadline,
  doing: string,
  meanwhile?: () => void,
  late: () => Late = () => lateReport(tid),
): Report {
  for (;;) {
    const answer = attempt("wait4", tid, memory.address, W.ALL, 0)
    if (answer === tid) return reportOf(memory.view.getInt32(0, true))
    const errno = errnoName(-answer)
    if (errno === "ECHILD") return { kind: "gone", status: UNKNOWN_STATUS }
    if (errno !== "EINTR") throw new SyscallError("wait4", errno, [tid])
    reapOthers(tid)
    meanwhile?.()
    checkDeadline(deadline, doing, late)
  }
}

/**
 * Reaps the threads that have ended of a process whose leader has ended too, as all do at once by SIGKILL: a tracer is told of the leader
 * only when it has waited for the others. Who waits for one of them later finds it gone. Kernel: kernel/exit.c wait_consider_task()
 */
function reapOthers(leader: number): void {
  if (readStatIfAlive(leader)?.state !== "Z") return
  for (const tid of listThreadsIfAlive(leader) ?? [])
    if (tid !== leader && readStatIfAlive(leader, tid)?.state === "Z") attempt("wait4", tid, 0, W.ALL | W.NOHANG, 0)
}

/**
 * Waits until one traced thread or child is gone, whatever it reports before that. Precondition: it was killed, or ends by itself.
 *
 * @param doing "the end of thread 12"   @throws CheckpointError as `waitReport`
 */
export function awaitGone(tid: number, deadline: Deadline, doing: string): void {
  while (waitReport(tid, deadline, doing).kind !== "gone");
}

/** The report of one traced thread or child if there is one already. */
export function pollReport(tid: number): Report | undefined {
  const answer = attempt("wait4", tid, memory.address, W.ALL | W.NOHANG, 0)
  return answer === tid ? reportOf(memory.view.getInt32(0, true)) : undefined
}

/**
 * Waits until a child of ours has ended, and reaps it; one that is not there is no failure. Precondition: it ends at once, or was killed.
 */
export function reap(child: number): void {
  // The tool's own timer interrupts the call on a busy machine.
  while (errnoName(-attempt("wait4", child, 0, W.ALL, 0)) === "EINTR");
}
