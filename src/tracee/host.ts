import { ALL_SIGNALS, SIG, sigbit } from "../../ffi/abi/signal.ts"
import { type Syscall, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { PAGE_SIZE, type RemoteAddress } from "../base/units.ts"
import { frameSize, interruptedCall, resultRegister, signalFrame, syscallRegisters } from "./arch.x86_64.ts"
import { type FrozenProcess, type FrozenThread, putBack } from "./frozen.ts"
import type { Gadgets } from "./gadgets.ts"
import { FAULTS, haltAll } from "./halt.ts"
import { writeMemory } from "./memory.ts"
import { getRegisters, ptrace, setRegisters, setSignalMask } from "./trace.ts"
import { type Patience, type Report, waitReport } from "./wait.ts"
import { zeros } from "./zeros.ts"

const log = logger("loan")

/** What the target lends: places that are free to use for a moment. */
export interface LoanTerms {
  readonly gadgets: Gadgets
  /** Pages of zeros that the target does not use, at the low end of a stack: the bootstrap's signal frame goes there. undefined = none. */
  readonly framePages: RemoteAddress | undefined
  /** A signal that the target ignores by default, does not catch, and no thread has pending. */
  readonly stubSignal: number
}

/** Bytes of frame pages that a loan of this process needs. */
export const framePagesSize = (process: FrozenProcess): number =>
  Math.ceil((frameSize(Math.max(...process.threads.map(({ xstate }) => xstate.length))) + 64) / PAGE_SIZE) * PAGE_SIZE

/** Stands at the end of frame pages, so that a killed run's are known, and used again. */
const MARK = Buffer.from("stasis: a frame\0")

/** Zeros for frame pages, with the mark. @param size bytes of the pages @returns bytes that the next `zeros` gives to others */
export function marked(size: number): Uint8Array {
  const pages = zeros(size)
  pages.set(MARK, size - MARK.length)
  return pages
}

/** True for zeros, and for what a run left that was killed. */
export const isFree = (pages: Uint8Array): boolean => MARK.equals(pages.subarray(pages.length - MARK.length)) || isZero(pages)
export const isZero = (pages: Uint8Array): boolean => Buffer.compare(pages, zeros(pages.length)) === 0

/** The thread of a process that runs single calls from the program's own code: where nothing of ours stands yet, or any more. */
export interface Host {
  readonly process: FrozenProcess
  readonly thread: FrozenThread
  readonly terms: LoanTerms
  /** Blocked while anything of ours runs: all but the signal that ends a stub. */
  readonly mask: bigint
  /** The frame by which the thread goes back by itself if the tool dies; undefined = it does not. */
  readonly chain: RemoteAddress | undefined
}

/** Chooses the host of a process and lays down the frame that it returns through if the tool dies. @throws SyscallError */
function openHost(process: FrozenProcess, terms: LoanTerms): Host {
  const { pid, threads } = process
  // A section that is to go on is lost in the crash path of the bootstrap, and so is a restart block: threads without come first.
  const loss = ({ registers, rseqCs }: FrozenThread): number => (rseqCs ? 2 : interruptedCall(registers) === "restart-block" ? 1 : 0)
  const [thread] = threads.toSorted((a, b) => loss(a) - loss(b))
  if (!thread) throw new Error("Unreachable: a process without threads")
  const { signalReturn } = terms.gadgets
  const chain = signalReturn === undefined ? undefined : terms.framePages
  if (chain !== undefined && signalReturn !== undefined) {
    const pages = marked(framePagesSize(process))
    signalFrame(chain, signalReturn, thread.resume, thread.xstate, thread.mask, pages)
    writeMemory(pid, chain, pages)
  } else log.warn(`task ${pid} has no return chain: until it is released it does not survive a kill -9 of stasis`)
  return { process, thread, terms, mask: ALL_SIGNALS & ~sigbit(terms.stubSignal), chain }
}

/**
 * Puts the host where it was, and leaves no trace of the frame. One that never came out of its call is stopped first.
 *
 * @throws SyscallError
 */
export function closeHost({ process, thread, chain }: Host): void {
  if (thread.running) haltAll(process)
  putBack(process.pid, thread)
  if (chain !== undefined) writeMemory(process.pid, chain, zeros(framePagesSize(process)))
}

/** True for a failure that tells of a target's end. */
export const isDeath = (error: unknown): boolean =>
  (error instanceof SyscallError && error.errno === "ESRCH") || (error instanceof CheckpointError && error.code === "E_TARGET_DIED")

/** Puts hosts back that lent nothing. The failure that led here is the one to tell, so those of their own are only logged. */
export function closeHosts(hosts: readonly Host[]): void {
  for (const host of hosts)
    try {
      if (host.process.ending !== "dead") closeHost(host)
    } catch (error) {
      if (!isDeath(error)) log.error(`Cannot put thread ${host.thread.tid} back: ${error}`)
    }
}

/** Opens the host of every process that is asked for one, or of none. @throws SyscallError */
export function openHosts<T extends { readonly process: FrozenProcess; readonly terms: LoanTerms }>(
  requests: readonly T[],
): (T & { host: Host })[] {
  const opened: (T & { host: Host })[] = []
  try {
    for (const request of requests) opened.push({ ...request, host: openHost(request.process, request.terms) })
  } catch (error) {
    closeHosts(opened.map(({ host }) => host))
    throw error
  }
  return opened
}

/** One call for a host to run. */
interface HostCall {
  readonly host: Host
  readonly call: Syscall
  readonly args: readonly (bigint | number)[]
}

/** What became of a call: the kernel's raw answer, or why there is none. */
export type HostAnswer = { readonly answer: bigint } | { readonly failure: unknown }

/**
 * Runs one call in each host, all at the same time, from the targets' own syscall instructions. A host that fails does not stop the others.
 */
export function callInHosts(calls: readonly HostCall[], patience: Patience): HostAnswer[] {
  const failures = new Map<HostCall, unknown>()
  const each = (step: (call: HostCall) => void): void => {
    for (const call of calls)
      if (!failures.has(call))
        try {
          step(call)
        } catch (error) {
          failures.set(call, error)
        }
  }
  each(enter)
  // The stop at the entry of the call, then the one at its exit.
  for (let stops = 0; stops < 2; stops++) {
    each(({ host: { thread } }) => {
      thread.running = true
      ptrace("SYSCALL", thread.tid)
    })
    each(({ host }) => waitForSyscall(host, patience))
  }
  each(({ host: { thread } }) => {
    thread.running = false
  })
  const answers = new Map<HostCall, bigint>()
  each((call) => void answers.set(call, resultRegister(getRegisters(call.host.thread.tid))))
  return calls.map((call) => {
    const answer = answers.get(call)
    return answer === undefined ? { failure: failures.get(call) } : { answer }
  })
}

function enter({ host: { thread, terms, mask, chain }, call, args }: HostCall): void {
  const sp = chain ?? thread.resume.sp
  setRegisters(thread.tid, syscallRegisters(thread.registers, terms.gadgets.syscall, sp, call, args))
  thread.touched = true
  setSignalMask(thread.tid, mask)
}

/**
 * Gives up where a thread faults in what it runs for us: it would do so for ever. On its way back to the program the kernel writes to the
 * rseq area, too, which the thread may not be allowed to.
 *
 * @throws CheckpointError E_INJECTION
 */
export function refuseFault({ pid }: FrozenProcess, thread: FrozenThread, report: Report): void {
  if (report.kind !== "signal-stop" || !FAULTS.has(report.signal)) return
  // It has stopped, and will report no other stop.
  thread.running = false
  const { tid } = thread
  throw new CheckpointError(
    "E_INJECTION",
    `Cannot ask task ${pid} about itself`,
    `thread ${tid} gets signal ${report.signal} at 0x${getRegisters(tid).ip.toString(16)}, in what it should run`,
    "Dump again when the thread may write to its memory (protection keys), its rseq area above all; else report this with the log of -v4",
  )
}

function waitForSyscall({ process, thread }: Host, patience: Patience): void {
  // One call is soon over: whoever asks the tool to stop is heard when it is known what became of it.
  const wait = (): Report => waitReport(thread.tid, { ...patience(), deaf: true }, `a call in thread ${thread.tid}`)
  for (let report = wait(); ; report = wait()) {
    refuseFault(process, thread, report)
    const passed = expectStop(process, thread, report)
    if (report.kind === "syscall-stop") return
    ptrace("SYSCALL", thread.tid, 0, passed)
  }
}

/**
 * Judges a stop. A signal that is not blocked is kept for the release, all but SIGSTOP: the process is stopped by it here and now, so that
 * a SIGCONT that comes later undoes it, and what we have run in its threads is run in spite of it.
 *
 * @returns the signal to go on with.
 * @throws CheckpointError E_TARGET_DIED. Kernel: kernel/signal.c do_signal_stop(), kernel/ptrace.c __ptrace_unlink()
 */
export function expectStop(process: FrozenProcess, thread: FrozenThread, report: Report): number {
  if (report.kind === "gone") {
    process.ending = "dead"
    throw new CheckpointError(
      "E_TARGET_DIED",
      `Cannot go on with task ${process.pid}`,
      `thread ${thread.tid} was killed while it was frozen`,
      "Find out who sent SIGKILL; nothing was written",
    )
  }
  if (report.kind !== "signal-stop") return 0
  if (report.signal === SIG.STOP) return SIG.STOP
  process.heldSignals.push(report.signal)
  return 0
}
