import { ALL_SIGNALS, SIG, sigbit, siginfo } from "../../ffi/abi/signal.ts"
import { decode } from "../../ffi/layout.ts"
import { errnoName, isFailure, type Syscall, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { PAGE_SIZE, type RemoteAddress, remoteAddress } from "../base/units.ts"
import {
  frameSize,
  interruptedCall,
  resultRegister,
  STUB_ENTRY,
  signalFrame,
  stubCode,
  stubRegisters,
  syscallRegisters,
} from "./arch.x86_64.ts"
import { type FrozenProcess, type FrozenThread, putBack } from "./frozen.ts"
import type { Gadgets } from "./gadgets.ts"
import { codePage } from "./leftover.ts"
import { forceMemory, readMemory, writeMemory } from "./memory.ts"
import { placePrograms } from "./placement.ts"
import type { Answers, Program } from "./program.ts"
import { getRegisters, getSignalInfo, ptrace, setRegisters, setSignalMask, tryPtrace } from "./trace.ts"
import { cleanupDeadline, type Deadline, type Patience, type Report, waitReport } from "./wait.ts"

const log = logger("loan")
const SI_TKILL = -6
const PROT_READ_EXEC = 5
const MAP_PRIVATE_ANONYMOUS = 0x22

/** What the target lends: places that are free to use for a moment. */
export interface LoanTerms {
  readonly gadgets: Gadgets
  /** Pages that the target never touched, at the low end of a stack: the bootstrap's signal frame goes there. */
  readonly framePages: RemoteAddress
  /** A signal that the target ignores by default, does not catch, and no thread has pending. */
  readonly stopSignal: number
}

/** Signals whose default is to be ignored, best first. SIGCONT last: sending it drops pending stop signals. */
const STOP_SIGNALS = [SIG.URG, SIG.WINCH, SIG.CHLD, SIG.CONT] as const

/**
 * Chooses the signal that ends a stub: one without a handler and not pending; if possible one that no thread blocks.
 *
 * A blocked one is not lost either when it comes from outside meanwhile: it is sent again on release.
 * @returns undefined when the target has a use for all of them
 */
export function chooseStopSignal(caught: bigint, blocked: bigint, pending: bigint): number | undefined {
  const stops = sigbit(SIG.STOP) | sigbit(SIG.TSTP) | sigbit(SIG.TTIN) | sigbit(SIG.TTOU)
  const free = STOP_SIGNALS.filter((signal) => {
    if (signal === SIG.CONT && pending & stops) return false
    return ((caught | pending) & sigbit(signal)) === 0n
  })
  return free.find((signal) => !(blocked & sigbit(signal))) ?? free[0]
}

/** Bytes of frame pages that a loan of this process needs. */
export const framePagesSize = (process: FrozenProcess): number =>
  Math.ceil((frameSize(Math.max(...process.threads.map(({ xstate }) => xstate.length))) + 64) / PAGE_SIZE) * PAGE_SIZE

/**
 * A piece of the target's address space with the interpreter in it, on loan: disposal takes it away and puts every thread back.
 *
 * If the tool dies at any moment, each thread runs what it was given to its end and goes back by itself through a signal frame;
 * left behind is at most one mapping and one page of stack below all use.
 */
export interface Loan extends Disposable {
  /**
   * Starts one program in each named thread, all at the same time.
   *
   * @returns what waits for all of them and gives their answers: to be called before anything else of the loan. It throws SyscallError of
   *   the first record that failed unexpectedly · CheckpointError E_TARGET_DIED, E_TIMEOUT
   */
  start(programs: ReadonlyMap<number, Program>): () => Map<number, Answers>
  /** Starts programs and waits for them. */
  run(programs: ReadonlyMap<number, Program>): Map<number, Answers>
  /** Where the stub stands, so that memory dumps leave it out. */
  readonly area: { readonly start: bigint; readonly end: bigint }
}

/**
 * Borrows `bytes` of the target's address space, and its threads.
 *
 * @param bytes room for all programs of one run together, their frames included (see `loanSize`)
 * @throws CheckpointError E_INJECTION · E_TARGET_DIED · SyscallError
 * Precondition: every thread is stopped and rseq has been classified: running anything makes the kernel clear rseq_cs.
 */
export function borrow(process: FrozenProcess, terms: LoanTerms, bytes: number, patience: Patience): Loan {
  const { pid } = process
  const mask = ALL_SIGNALS & ~sigbit(terms.stopSignal)
  // A thread in a restart block would lose it in the crash path of the bootstrap, so another one is taken if there is any.
  const host = process.threads.find(({ registers }) => interruptedCall(registers) !== "restart-block") ?? process.threads[0]
  if (!host) throw new Error("Unreachable: a process without threads")
  const frameBytes = framePagesSize(process)
  const chain = terms.gadgets.signalReturn !== undefined
  if (chain) {
    const frame = signalFrame(terms.framePages, terms.gadgets.signalReturn ?? 0n, host.resume, host.xstate, host.mask)
    writeMemory(pid, terms.framePages, frame)
  } else log.warn(`task ${pid} has no return chain: until it is released it does not survive a kill -9 of stasis`)

  let closed = false
  const pause: Patience = () => (closed ? cleanupDeadline() : patience())

  /** Runs one call in the host thread from the target's own syscall instruction. */
  const bootstrapCall = (call: Syscall, ...args: (bigint | number)[]): bigint => {
    const sp = chain ? terms.framePages : host.resume.sp
    setRegisters(host.tid, syscallRegisters(host.registers, terms.gadgets.syscall, sp, call, args))
    if (!host.touched) host.touched = true
    setSignalMask(host.tid, mask)
    for (let stops = 0; stops < 2; ) {
      ptrace("SYSCALL", host.tid)
      if (expectStop(process, host, waitReport(host.tid, pause(), `a call in thread ${host.tid}`)) === "syscall-stop") stops++
    }
    return resultRegister(getRegisters(host.tid))
  }

  const size = Math.ceil((stubCode.length + bytes) / PAGE_SIZE + 1) * PAGE_SIZE
  const answer = bootstrapCall("mmap", 0, size, PROT_READ_EXEC, MAP_PRIVATE_ANONYMOUS, -1, 0)
  if (isFailure(Number(answer))) {
    endBootstrap()
    const errno = errnoName(-Number(answer))
    throw new CheckpointError(
      "E_INJECTION",
      `Cannot borrow ${size} bytes in task ${pid}`,
      `mmap answered ${errno}`,
      "Raise the target's RLIMIT_AS or memory limit, or allow execmem in its security policy",
      new SyscallError("mmap", errno, [0, size], ` in thread ${host.tid}`),
    )
  }
  const start = remoteAddress(answer)
  const data = remoteAddress(start + BigInt(PAGE_SIZE))
  forceMemory(pid, start, codePage(size))

  function endBootstrap(): void {
    if (host) putBack(pid, host)
    if (chain) writeMemory(pid, terms.framePages, new Uint8Array(frameBytes))
  }

  const loan: Loan = {
    area: { start, end: start + BigInt(size) },
    start(programs) {
      const blocks = placePrograms(process, programs, data, size - PAGE_SIZE, terms.stopSignal)
      forceMemory(pid, data, blocks.image)
      for (const { thread, header } of blocks.threads) {
        setRegisters(thread.tid, stubRegisters(thread.registers, start + STUB_ENTRY, header))
        thread.touched = true
        setSignalMask(thread.tid, mask)
      }
      for (const { thread } of blocks.threads) ptrace("CONT", thread.tid)
      return () => {
        for (const { thread } of blocks.threads) waitForStub(process, thread, terms.stopSignal, patience())
        const image = readMemory(pid, data, blocks.image.length)
        return new Map(
          blocks.threads.map(({ thread, program, offset }) => [
            thread.tid,
            program.answers(image.subarray(offset, offset + program.size), ` in thread ${thread.tid}`),
          ]),
        )
      }
    },
    run: (programs) => loan.start(programs)(),
    [Symbol.dispose]() {
      if (closed || process.ending === "dead") return
      closed = true
      try {
        for (const thread of process.threads) if (thread !== host) putBack(pid, thread)
        bootstrapCall("munmap", start, size)
        endBootstrap()
      } catch (error) {
        // What took the target away has been told already, by whoever met it first.
        if (!isDeath(error)) throw error
      }
    },
  }
  return loan
}

const isDeath = (error: unknown): boolean =>
  (error instanceof SyscallError && error.errno === "ESRCH") || (error instanceof CheckpointError && error.code === "E_TARGET_DIED")

/** Judges a stop that is not the awaited one: signals that cannot be blocked are kept for the release. */
function expectStop(process: FrozenProcess, thread: FrozenThread, report: Report): Report["kind"] {
  if (report.kind === "gone") {
    process.ending = "dead"
    throw new CheckpointError(
      "E_TARGET_DIED",
      `Cannot go on with task ${process.pid}`,
      `thread ${thread.tid} was killed while it was frozen`,
      "Find out who sent SIGKILL; nothing was written",
    )
  }
  if (report.kind === "signal-stop") process.heldSignals.push(report.signal)
  return report.kind
}

/** Waits until a stub has run to its end. */
function waitForStub(process: FrozenProcess, thread: FrozenThread, signal: number, deadline: Deadline): void {
  for (;;) {
    const report = waitReport(thread.tid, deadline, `the calls in thread ${thread.tid}`)
    if (report.kind === "signal-stop" && report.signal === signal && decode(siginfo, getSignalInfo(thread.tid)).si_code === SI_TKILL) return
    if (report.kind === "signal-stop" && (report.signal === 11 || report.signal === 4 || report.signal === 7))
      throw new Error(`The stub in thread ${thread.tid} stopped by signal ${report.signal} at ${getRegisters(thread.tid).ip.toString(16)}`)
    expectStop(process, thread, report)
    tryPtrace("CONT", thread.tid)
  }
}
