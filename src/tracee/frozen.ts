import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { attempt, SyscallError } from "../../ffi/syscall.ts"
import { runAll } from "../base/all.ts"
import { logger } from "../base/log.ts"
import type { RemoteAddress } from "../base/units.ts"
import { awaitStop, haltAll } from "./halt.ts"
import { readMemory, writeWord } from "./memory.ts"
import { detach, getRegisters, getSignalMask, getXstate, setRegisters, setSignalMask, tryPtrace } from "./trace.ts"
import { isSuspended } from "./vfork.ts"
import { cleanupDeadline, pollReport, type Report, waitReport } from "./wait.ts"

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
  /**
   * Of a section that was found by a guess: its rseq_cs word, and where the thread goes on instead when the guess turns out to be false.
   */
  guess: { readonly at: RemoteAddress; readonly otherwise: Registers } | undefined
  /**
   * Written back as the very last step: the rseq_cs pointer of a section that must not be restarted. `alone`: by a thread that goes back by
   * itself, too.
   */
  rseqCs: { readonly at: RemoteAddress; readonly value: bigint; readonly alone: boolean } | undefined
  /** Something was run in the thread, so `resume`, mask and rseqCs must be put back. */
  touched: boolean
  /** Let run by us, and not yet met at the stop that ends what it runs: see ./halt.ts. */
  running: boolean
}

/** A thread that has just stopped: nothing was run in it yet. */
export const freshlyStopped = (state: Pick<FrozenThread, "tid" | "registers" | "xstate" | "mask">): FrozenThread => ({
  ...state,
  resume: state.registers,
  guess: undefined,
  rseqCs: undefined,
  touched: false,
  running: false,
})

/** Reads a thread that has just stopped. @throws SyscallError ESRCH it was killed */
export const readThread = (tid: number): FrozenThread =>
  freshlyStopped({ tid, registers: getRegisters(tid), xstate: getXstate(tid), mask: getSignalMask(tid) })

/** Every thread of a process, stopped by us. Disposal, which may be repeated, puts all of them back and lets them run. */
export interface FrozenProcess extends Disposable {
  readonly pid: number
  /** The leader first. */
  readonly threads: readonly FrozenThread[]
  /** performance.now() of the first interruption, in ms. */
  readonly frozenAt: number
  /** The signal that the process was stopped by (SIGSTOP, SIGTSTP ...) when we came; 0 = it ran. It stays stopped when it is let go. */
  readonly stopSignal: number
  /** PTRACE_O_ bits by which its threads are traced: who sets one of a thread sets all of them. */
  readonly traceOptions: number
  /**
   * Signals that arrived while we ran code in a thread, which did not block them: sent again on release. SIGSTOP has its effect at once.
   */
  readonly heldSignals: number[]
  /** What release does: let the process run (default), stop it by SIGSTOP, or nothing because it is dead. */
  ending: "run" | "stop" | "dead"
}

/**
 * Where a thread goes on. The kernel itself tells a true guess from a false one: it clears rseq_cs of the registered area, and of no other,
 * when the thread runs anything outside of its section. One that was given registers and never ran is the kernel's to abort.
 *
 * Kernel: kernel/rseq.c rseq_ip_fixup(). @throws SyscallError EFAULT the word cannot be read any more · ESRCH
 */
function destination(pid: number, { guess, resume }: FrozenThread): Registers {
  if (!guess) return resume
  return readMemory(pid, guess.at, 8).every((byte) => byte === 0) ? resume : guess.otherwise
}

/**
 * Puts a thread that ran something for us back: the mask first, so that a death of the tool in between loses nothing.
 *
 * @throws SyscallError ESRCH it was killed, or still runs
 */
export function putBack(pid: number, thread: FrozenThread): void {
  if (!thread.touched) return
  setSignalMask(thread.tid, thread.mask)
  const registers = destination(pid, thread)
  // Before the registers, for the same reason: the kernel looks at both when the thread goes on.
  if (thread.rseqCs) writeWord(pid, thread.rseqCs.at, thread.rseqCs.value)
  setRegisters(thread.tid, registers)
  thread.touched = false
}

/** What a release needs to know: a freeze that failed has no more. */
type Released = Pick<FrozenProcess, "pid" | "threads" | "heldSignals" | "ending" | "stopSignal">

function unlessGone(what: string, step: () => void): void {
  try {
    step()
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === "ESRCH")) log.error(`${what}: ${error}`)
  }
}

/**
 * Lets threads go on: those of `frozen` are stopped and put back first. One that died meanwhile is an expected answer.
 *
 * @param seized every thread that we are attached to, the leader first
 */
export function release(frozen: Released, seized: ReadonlySet<number>): void {
  if (frozen.ending === "dead") return
  unlessGone(`Cannot stop task ${frozen.pid}`, () => void haltAll(frozen))
  for (const thread of frozen.threads) unlessGone(`Cannot put thread ${thread.tid} back`, () => putBack(frozen.pid, thread))
  if (frozen.ending === "stop") attempt("kill", frozen.pid, SIG.STOP)
  for (const signal of frozen.heldSignals.splice(0)) attempt("kill", frozen.pid, signal)
  // The leader last: a killed one reports its end only when its other threads are gone.
  runAll(
    [...seized].reverse(),
    (tid) => letGo(frozen, tid),
    (failure) => log.error(`process ${frozen.pid}: ${failure}`),
  )
  if (frozen.stopSignal !== 0 || frozen.ending === "stop") awaitStop([...seized])
}

/**
 * Detaches one thread, which may be running or have a signal on its way when the freeze failed: only a stopped one can be detached. One
 * that is suspended by vfork stays attached until the tool ends, which lets it go too.
 */
function letGo({ pid, threads }: Released, tid: number): void {
  if (detach(tid, signalOf(pollReport(tid))) || isSuspended(pid, tid)) return
  tryPtrace("INTERRUPT", tid)
  const report = waitReport(tid, cleanupDeadline(), `the release of thread ${tid}`)
  // One that did not stop before could not be put back before.
  const thread = threads.find((one) => one.tid === tid)
  if (thread) unlessGone(`Cannot put thread ${tid} back`, () => putBack(pid, thread))
  detach(tid, signalOf(report))
}

const signalOf = (report: Report | undefined): number => (report?.kind === "signal-stop" ? report.signal : 0)
