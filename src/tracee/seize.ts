import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { attempt, errnoName, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import type { RemoteAddress } from "../base/units.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import { writeMemory } from "./memory.ts"
import { detach, getRegisters, getSignalMask, getXstate, ptrace, setRegisters, setSignalMask, tryPtrace } from "./trace.ts"
import { checkDeadline, cleanupDeadline, type Deadline, pollReport, type Report, waitReport } from "./wait.ts"

const log = logger("seize")

/** A thread in our hands: what it was when it stopped, and what it must be when we let it go. */
export interface FrozenThread {
  readonly tid: number
  /** As the kernel showed them at the stop, an interrupted system call's -ERESTART answer included. */
  readonly registers: Registers
  /** Standard-layout XSAVE bytes. */
  readonly xstate: Uint8Array
  /** Blocked signals. */
  readonly mask: bigint
  /** Where the thread goes on once anything was run in it: equals `registers` unless an rseq section was left. */
  resume: Registers
  /** Written back as the very last step: the rseq_cs pointer of a section that must not be restarted. */
  rseqCs: { readonly at: RemoteAddress; readonly value: bigint } | undefined
  /** Something was run in the thread, so `resume`, mask and rseqCs must be put back. */
  touched: boolean
}

/** Every thread of a process, stopped by us. Disposal puts all of them back and lets them run. */
export interface FrozenProcess extends Disposable {
  readonly pid: number
  /** The leader first. */
  readonly threads: readonly FrozenThread[]
  /** performance.now() of the first interruption, in ms. */
  readonly frozenAt: number
  /** Signals that arrived while we ran code in a thread and could not be blocked: sent again on release. */
  readonly heldSignals: number[]
  /** What release does: let the process run (default), stop it by SIGSTOP, or nothing because it is dead. */
  ending: "run" | "stop" | "dead"
}

function hasEnded(tid: number): boolean {
  const state = readStatusIfAlive(tid)?.state
  return state === undefined || state === "Z" || state === "X"
}

/** Attaches to one thread without stopping it. False when the thread is gone. */
function seizeThread(pid: number, tid: number, tracer: (tid: number) => number): boolean {
  const answer = tryPtrace("SEIZE", tid, 0, PTRACE_O.TRACESYSGOOD)
  if (answer === 0) return true
  const errno = errnoName(-answer)
  // A thread that has ended but is still listed is refused as if it were forbidden.
  if (errno === "ESRCH" || hasEnded(tid)) return false
  const cause = new SyscallError("ptrace", errno, [0x4206, tid, 0, PTRACE_O.TRACESYSGOOD])
  const by = tracer(tid)
  if (by)
    throw new CheckpointError(
      "E_TRACED",
      `Cannot seize task ${pid}`,
      `TracerPid of thread ${tid} is ${by}`,
      `Detach task ${by}, then dump again`,
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

/**
 * Brings one seized thread into an event-stop. A signal on its way is delivered first, as without us.
 *
 * @returns false when the thread ended instead
 */
function interrupt(tid: number, deadline: Deadline): boolean {
  for (;;) {
    const report = waitReport(tid, deadline, `the freeze of thread ${tid}`)
    if (report.kind === "gone") return false
    if (report.kind === "event-stop") return true
    // Any stop clears the one that was asked for, so it is asked for again before the thread goes on.
    tryPtrace("INTERRUPT", tid)
    ptrace("CONT", tid, 0, report.kind === "signal-stop" ? report.signal : 0)
  }
}

/**
 * Stops threads until the process has no other. Its count decides: a list ends early when a thread ends while the kernel writes it.
 * Kernel: fs/proc/base.c next_tid()
 */
function stopAll(pid: number, seized: Set<number>, deadline: Deadline, listThreads: () => number[], tracer: (tid: number) => number): void {
  for (;;) {
    const fresh: number[] = []
    for (const tid of listThreads()) {
      if (seized.has(tid) || !seizeThread(pid, tid, tracer)) continue
      seized.add(tid)
      fresh.push(tid)
    }
    for (const tid of fresh) tryPtrace("INTERRUPT", tid)
    for (const tid of fresh) if (!interrupt(tid, deadline)) seized.delete(tid)
    if (fresh.length > 0) continue
    const existing = readStatusIfAlive(pid)?.threads ?? 0
    if (!seized.has(pid) || existing <= seized.size) return
    checkDeadline(deadline, `the freeze of process ${pid}`)
    attempt("poll", 0, 0, 1) // a thread is about to end
  }
}

/**
 * Stops every thread of a process, threads included that appear meanwhile.
 *
 * @param listThreads the thread IDs at this moment, [] when the process is gone
 * @param tracer TracerPid of a thread, 0 = none
 * @throws CheckpointError E_TRACED · E_PERMISSION · E_NO_PROCESS · E_TIMEOUT · E_INTERRUPTED; every thread runs on then
 * Kernel: ptrace(2) PTRACE_SEIZE, PTRACE_INTERRUPT. Precondition: all of it on one thread of the tool.
 */
export function seizeProcess(pid: number, deadline: Deadline, listThreads: () => number[], tracer: (tid: number) => number): FrozenProcess {
  const seized = new Set<number>()
  const threads: FrozenThread[] = []
  const frozen: FrozenProcess = {
    pid,
    threads,
    frozenAt: performance.now(),
    heldSignals: [],
    ending: "run",
    [Symbol.dispose]: () => release(frozen, seized),
  }
  try {
    stopAll(pid, seized, deadline, listThreads, tracer)
    for (const tid of seized) {
      const registers = getRegisters(tid)
      threads.push({
        tid,
        registers,
        xstate: getXstate(tid),
        mask: getSignalMask(tid),
        resume: registers,
        rseqCs: undefined,
        touched: false,
      })
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
    return frozen
  } catch (error) {
    frozen[Symbol.dispose]()
    throw error
  }
}

/** Puts a thread that ran something for us back: the mask first, so that a death of the tool in between loses nothing. */
export function putBack(pid: number, thread: FrozenThread): void {
  if (!thread.touched) return
  setSignalMask(thread.tid, thread.mask)
  setRegisters(thread.tid, thread.resume)
  if (thread.rseqCs) {
    const value = new Uint8Array(8)
    new DataView(value.buffer).setBigUint64(0, thread.rseqCs.value, true)
    writeMemory(pid, thread.rseqCs.at, value)
  }
  thread.touched = false
}

/** Lets every thread go on. A thread that died meanwhile is an expected answer. */
function release(frozen: FrozenProcess, seized: Set<number>): void {
  if (frozen.ending === "dead") return
  for (const thread of frozen.threads) {
    try {
      putBack(frozen.pid, thread)
    } catch (error) {
      if (!(error instanceof SyscallError && error.errno === "ESRCH")) log.error(`Cannot put thread ${thread.tid} back: ${error}`)
    }
  }
  if (frozen.ending === "stop") attempt("kill", frozen.pid, SIG.STOP)
  for (const signal of frozen.heldSignals) attempt("kill", frozen.pid, signal)
  // The leader last: a killed one reports its end only when its other threads are gone.
  for (const tid of [...seized].reverse()) letGo(tid)
}

/** Detaches one thread, which may be running or have a signal on its way when the freeze failed: only a stopped one can be detached. */
function letGo(tid: number): void {
  if (detach(tid, signalOf(pollReport(tid)))) return
  tryPtrace("INTERRUPT", tid)
  detach(tid, signalOf(waitReport(tid, cleanupDeadline(), `the release of thread ${tid}`)))
}

const signalOf = (report: Report | undefined): number => (report?.kind === "signal-stop" ? report.signal : 0)
