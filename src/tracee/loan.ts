import { MAP, PROT } from "../../ffi/abi/mman.ts"
import { type Errno, errnoName, isFailure, SyscallError } from "../../ffi/syscall.ts"
import { failuresOf } from "../base/all.ts"
import { CheckpointError } from "../base/errors.ts"
import { PAGE_SIZE, type Range, type RemoteAddress, remoteAddress } from "../base/units.ts"
import { readMapsIfAlive } from "../proc/maps.ts"
import { readSysctl } from "../proc/sysctl.ts"
import { STUB_ENTRY, STUB_STOPPED, stubCode, stubRegisters } from "./arch.x86_64.ts"
import { type FrozenProcess, type FrozenThread, putBack } from "./frozen.ts"
import { haltAll, isStubSignal } from "./halt.ts"
import {
  callInHosts,
  closeHost,
  closeHosts,
  expectStop,
  type Host,
  type HostAnswer,
  isDeath,
  type LoanTerms,
  openHosts,
  refuseFault,
} from "./host.ts"
import { codePage } from "./leftover.ts"
import { forceMemory, readMemory } from "./memory.ts"
import { placePrograms } from "./placement.ts"
import type { Answers, Program } from "./program.ts"
import { getPosition, ptrace, setRegisters, setSignalMask, tryPtrace } from "./trace.ts"
import { cleanupDeadline, type Deadline, type Patience, waitReport } from "./wait.ts"

/**
 * A piece of the target's address space with the interpreter in it, on loan.
 *
 * If the tool dies at any moment, each thread runs what it was given to its end and goes back by itself through a signal frame;
 * left behind is at most one mapping and one page of stack below all use.
 */
export interface Loan {
  /**
   * Starts one program in each named thread, all at the same time.
   *
   * @returns what waits for all of them and gives their answers: to be called before anything else of the loan. It throws SyscallError of
   *   the first record that failed unexpectedly · CheckpointError E_TARGET_DIED, E_TIMEOUT
   */
  start(programs: ReadonlyMap<number, Program>): () => Map<number, Answers>
  /** Starts programs and waits for them. */
  run(programs: ReadonlyMap<number, Program>): Map<number, Answers>
  /** Where it stands in the process. */
  readonly area: Range
}

/** What is to be borrowed of one process. */
export interface LoanRequest {
  readonly process: FrozenProcess
  readonly terms: LoanTerms
  /** Room for all programs of one run together, their frames included (see `loanSize`). */
  readonly bytes: number
}

/** Loans of several processes. Disposal returns all of them, at the same time. */
interface Loans extends Disposable {
  /** In the order of the requests. */
  readonly all: readonly Loan[]
}

/**
 * Borrows address space of processes, and their threads: all at the same time.
 *
 * @throws CheckpointError E_INJECTION · E_TARGET_DIED · SyscallError of the first that failed; the others are returned then
 * Precondition: every thread is stopped and rseq has been classified: running anything makes the kernel clear rseq_cs.
 */
export function borrowAll(requests: readonly LoanRequest[], patience: Patience): Loans {
  const made: Lent[] = []
  const failures: unknown[] = []
  const calls = openHosts(requests).map(({ host, bytes }) => {
    const size = Math.ceil((stubCode.length + bytes) / PAGE_SIZE + 1) * PAGE_SIZE
    const args = [0, size, PROT.READ | PROT.EXEC, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0]
    return { host, call: "mmap" as const, args, size }
  })
  for (const [index, outcome] of callInHosts(calls, patience).entries()) {
    const call = calls[index]
    if (!call) continue
    try {
      const lent = openLoan(call.host, call.size, startOf(call.host, call.size, outcome), patience)
      made.push(lent)
      forceMemory(call.host.process.pid, lent.start, codePage(call.size))
    } catch (error) {
      failures.push(error)
      if (made.at(-1)?.host !== call.host) closeHosts([call.host])
    }
  }
  const loans: Loans = { all: made.map(({ loan }) => loan), [Symbol.dispose]: () => returnAll(made) }
  if (failures.length === 0) return loans
  returnAll(made)
  throw failures[0]
}

/** Where the kernel put a new area. @throws CheckpointError E_INJECTION the process would not lend · what else failed in it */
function startOf(host: Host, size: number, outcome: HostAnswer): RemoteAddress {
  if ("failure" in outcome) throw outcome.failure
  if (!isFailure(Number(outcome.answer))) return remoteAddress(outcome.answer)
  const { process, thread } = host
  const errno = errnoName(-Number(outcome.answer))
  throw new CheckpointError(
    "E_INJECTION",
    `Cannot borrow ${size} bytes in task ${process.pid}`,
    `mmap answered ${errno}`,
    lendingAdvice(process.pid, errno),
    new SyscallError("mmap", errno, [0, size], ` in thread ${thread.tid}`),
  )
}

/** Linux's own number. Kernel: include/linux/mm.h DEFAULT_MAX_MAP_COUNT */
const USUAL_MAP_COUNT = 65530

/** What to do about a process that has as many areas as it may; undefined when it may have more. */
function areasAdvice(pid: number): string | undefined {
  const areas = readMapsIfAlive(pid)?.length ?? 0
  const most = readSysctl("vm/max_map_count", USUAL_MAP_COUNT)
  return areas >= most ? `Raise vm.max_map_count (sysctl), which is ${most}: the target has ${areas} areas` : undefined
}

/** What to do about a process that has no room for one area more. */
function lendingAdvice(pid: number, errno: Errno): string {
  const advice = errno === "ENOMEM" ? areasAdvice(pid) : undefined
  return advice ?? "Raise the target's RLIMIT_AS or memory limit, or allow execmem in its security policy"
}

/** A loan, and how it was made. */
interface Lent {
  readonly host: Host
  readonly size: number
  readonly start: RemoteAddress
  readonly loan: Loan
}

function openLoan(host: Host, size: number, start: RemoteAddress, patience: Patience): Lent {
  const { process, mask, terms } = host
  const { pid } = process
  const data = remoteAddress(start + BigInt(PAGE_SIZE))
  const loan: Loan = {
    area: { start, end: start + BigInt(size) },
    start(programs) {
      const blocks = placePrograms(process, programs, data, size - PAGE_SIZE, terms.stubSignal)
      forceMemory(pid, data, blocks.image)
      for (const { thread, header } of blocks.threads) {
        setRegisters(thread.tid, thread.registers, stubRegisters(start + STUB_ENTRY, header))
        thread.touched = true
        setSignalMask(thread.tid, mask)
      }
      for (const { thread } of blocks.threads) {
        thread.running = true
        ptrace("CONT", thread.tid)
      }
      return () => {
        for (const { thread } of blocks.threads) waitForStub(process, thread, terms.stubSignal, start + STUB_STOPPED, patience())
        const image = readMemory(pid, data, blocks.image.length)
        return new Map(
          blocks.threads.map(({ thread, program, offset }) => [
            thread.tid,
            program.answers(image.subarray(offset, offset + program.size), ` in thread ${thread.tid}`, () => areasAdvice(pid)),
          ]),
        )
      }
    },
    run: (programs) => loan.start(programs)(),
  }
  return { host, size, start, loan }
}

/**
 * Takes every area away again and puts every thread back, whichever fail. After a run that was given up threads may still be in their area:
 * it stays when one of them does not stop.
 *
 * @throws the first failure that is not a target's death
 */
function returnAll(lent: Lent[]): void {
  const open: Lent[] = []
  const failures = failuresOf(lent.splice(0), (one) => {
    const { process } = one.host
    if (process.ending !== "dead" && haltAll(process) && !isDead(process)) open.push(one)
  })
  failures.push(
    ...failuresOf(open, ({ host }) => {
      for (const thread of host.process.threads) if (thread !== host.thread) putBack(host.process.pid, thread)
    }),
  )
  const calls = open.map(({ host, start, size }) => ({ host, call: "munmap" as const, args: [start, size] }))
  failures.push(
    ...failuresOf(callInHosts(calls, cleanupDeadline).entries(), ([index, outcome]) => {
      const host = open[index]?.host
      if (host && !isDead(host.process)) closeHost(host)
      if ("failure" in outcome) throw outcome.failure
    }),
  )
  // What took a target away has been told already, by whoever met it first.
  const told = failures.filter((failure) => !isDeath(failure))
  if (told.length > 0) throw told[0]
}

/** Asked again: waiting for a process may show that it is. */
const isDead = ({ ending }: FrozenProcess): boolean => ending === "dead"

/**
 * Waits until a stub has run to its end.
 *
 * The address tells, not the siginfo: one that is already pending stands for both, and above RLIMIT_SIGPENDING the kernel queues none.
 * Kernel: kernel/signal.c __send_signal_locked()
 */
function waitForStub(process: FrozenProcess, thread: FrozenThread, signal: number, stopped: bigint, deadline: Deadline): void {
  for (;;) {
    const report = waitReport(thread.tid, deadline, `the calls in thread ${thread.tid}`)
    thread.running = false
    if (report.kind === "signal-stop" && report.signal === signal && getPosition(thread.tid).ip === stopped) {
      if (!isStubSignal(thread.tid)) process.heldSignals.push(signal)
      return
    }
    refuseFault(process, thread, report)
    const passed = expectStop(process, thread, report)
    thread.running = true
    tryPtrace("CONT", thread.tid, 0, passed)
  }
}
