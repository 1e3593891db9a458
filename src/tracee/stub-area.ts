import { MAP, PROT } from "../../ffi/abi/mman.ts"
import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { ALL_SIGNALS, sigbit } from "../../ffi/abi/signal.ts"
import { type KernelMemory, memoryAt } from "../../ffi/kernel.ts"
import { errnoName, isFailure, type Syscall, SyscallError, syscall } from "../../ffi/syscall.ts"
import { PAGE_SIZE, type Range } from "../base/units.ts"
import {
  resultRegister,
  STUB_ENTRY,
  STUB_STOPPED,
  STUB_SYSCALL,
  STUB_TILES,
  stubCode,
  stubRegisters,
  syscallRegisters,
  tileConfiguration,
} from "./arch.x86_64.ts"
import { aligned64 } from "./placement.ts"
import type { Answers, Program } from "./program.ts"
import { SEED_SYSCALL } from "./seed.ts"
import { died, isStop, waitForEnd, waitForStop, waitForSyscall } from "./stub-waits.ts"
import { getRegisters, ptrace, setRegisters, setSignalMask } from "./trace.ts"
import { type Patience, waitReport } from "./wait.ts"

/** A program for one task of the tree. */
export interface Job {
  /** Its process. */
  readonly pid: number
  readonly tid: number
  readonly program: Program
  /** Its last call ends the task: it does not stop any more. */
  readonly ends?: boolean
}

/**
 * The interpreter's area in the processes under restore: shared memory that the first of them maps and all that are cloned inherit, at one
 * address, so that the tool writes programs straight into it.
 */
export interface StubArea extends Range {
  /** Runs programs, all at once, and waits for all. @throws SyscallError · CheckpointError E_RESTORE, E_TIMEOUT */
  run(jobs: readonly Job[]): Map<number, Answers>
  /** Waits until a task that a program cloned is in our hands. */
  adopt(pid: number, tid: number): void
  /** Starts a system call in a thread and stops it inside: for waits. The data are bytes for its arguments, at the returned address. */
  interruptCall(pid: number, tid: number, call: Syscall, args: (data: bigint) => readonly (bigint | number)[], data: Uint8Array): bigint
  /** Has a thread use an AMX tile, so that the state of tiles can be set in it. Precondition: its process has the permission to. */
  useTiles(pid: number, tid: number): void
  /** Takes the area out of processes: the last call that anything of ours makes in them. */
  remove(pids: readonly number[]): void
  /** Processes that somebody has stopped while they were built (SIGSTOP cannot be blocked): kept from them until they are let go. */
  readonly stops: ReadonlySet<number>
}

/** Bytes of shared memory for a run of these programs together. */
export const stubAreaSize = (programs: Iterable<Program>): number => {
  // The interpreter, and a page for the data of `interruptCall`.
  let bytes = 2 * PAGE_SIZE
  for (const program of programs) bytes += aligned64(program.size)
  return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE
}

/** The tool's view of the area's memfd. */
interface AreaView extends Disposable {
  readonly memory: KernelMemory
}

/** Maps a memfd of the area into the tool. Disposal unmaps; the descriptor stays the caller's. */
export function viewArea(fd: number, size: number): AreaView {
  const address = syscall("mmap", 0, size, PROT.READ | PROT.WRITE, MAP.SHARED, fd, 0)
  const memory = memoryAt(address, size)
  memory.bytes.set(stubCode)
  return {
    memory,
    [Symbol.dispose]() {
      syscall("munmap", address, size)
    },
  }
}

/** Where and how an area is set up. */
interface StubAreaPlan {
  /** Number of the area's memfd in the seed. */
  readonly fd: number
  /** Where the area goes: free now and in the final layout of every process. */
  readonly start: bigint
  /** Ends a stub: unblocked in every thread until the end; no thread may have it pending in the images. */
  readonly stubSignal: number
  readonly patience: Patience
}

/** An area that is set up: what each of its functions needs. */
interface Mapped extends StubAreaPlan {
  readonly memory: KernelMemory
  /** Bytes. */
  readonly size: number
  /** Of a fresh seed: what every thread has while it runs something of ours, but for what the call takes. */
  readonly base: Registers
  readonly stops: Set<number>
}

/** Runs one call in each thread at `ip`, where code leads to a system call instruction, and stops at its exit. @throws SyscallError */
function callInThreads(
  { base, patience, stops }: Mapped,
  threads: readonly Pick<Job, "pid" | "tid">[],
  ip: bigint,
  call: Syscall,
  ...args: (bigint | number)[]
): void {
  for (const { tid } of threads) setRegisters(tid, syscallRegisters(base, ip, base.sp, call, args))
  for (let borders = 0; borders < 2; borders++) {
    for (const { tid } of threads) ptrace("SYSCALL", tid)
    for (const { pid, tid } of threads) waitForSyscall(pid, tid, patience(), stops)
  }
  for (const { pid, tid } of threads) {
    const answer = Number(resultRegister(getRegisters(tid)))
    if (isFailure(answer)) throw new SyscallError(call, errnoName(-answer), [], ` in thread ${tid} of process ${pid}`)
  }
}

const leaders = (pids: readonly number[]) => pids.map((pid) => ({ pid, tid: pid }))

/** As `StubArea.run`. */
function runJobs({ memory, size, base, start, stubSignal, patience, stops }: Mapped, jobs: readonly Job[]): Map<number, Answers> {
  let offset = PAGE_SIZE
  const placed = jobs.map((job) => {
    const { pid, tid, program } = job
    const at = offset
    const header = start + BigInt(at)
    if (at + program.size > size) throw new Error(`Unreachable: programs larger than the area of ${size} bytes`)
    memory.bytes.set(program.place(header, { pid, tid, signal: stubSignal }), at)
    offset = at + aligned64(program.size)
    return { ...job, at, header }
  })
  for (const { tid, header } of placed) setRegisters(tid, base, stubRegisters(start + STUB_ENTRY, header))
  for (const { tid } of placed) ptrace("CONT", tid)
  for (const { pid, tid, ends } of placed) {
    if (ends) waitForEnd(tid, patience())
    else waitForStop(pid, tid, { signal: stubSignal, at: start + STUB_STOPPED }, patience(), stops)
  }
  return new Map(
    placed.map(({ pid, tid, program, at }) => [
      tid,
      program.answers(memory.bytes.slice(at, at + program.size), ` in thread ${tid} of the new process ${pid}`),
    ]),
  )
}

/** Starts a call in a thread and stops it inside. @returns what it answers for that */
function interruptCall(
  { base, start, patience, stops }: Mapped,
  pid: number,
  tid: number,
  call: Syscall,
  args: readonly (bigint | number)[],
): bigint {
  setRegisters(tid, syscallRegisters(base, start + STUB_SYSCALL, base.sp, call, args))
  ptrace("SYSCALL", tid)
  waitForSyscall(pid, tid, patience(), stops)
  // Asked for before the call sleeps: it is interrupted at once, however short the time left is.
  ptrace("INTERRUPT", tid)
  ptrace("CONT", tid)
  for (;;) {
    const report = waitReport(tid, patience(), `the wait in thread ${tid}`)
    if (report.kind === "gone") throw died(pid, tid, report.status)
    if (!isStop(report)) break
    stops.add(pid)
    ptrace("INTERRUPT", tid)
    ptrace("CONT", tid)
  }
  return resultRegister(getRegisters(tid))
}

/** Sets the interpreter up in a fresh seed. @throws SyscallError. Precondition: the seed is in ptrace-stop. */
export function openStubArea(seed: number, { memory }: AreaView, plan: StubAreaPlan): StubArea {
  const { fd, start, stubSignal, patience } = plan
  const size = memory.bytes.length
  const mask = ALL_SIGNALS & ~sigbit(stubSignal)
  const dataStart = start + BigInt(PAGE_SIZE)
  const area: Mapped = { ...plan, memory, size, base: getRegisters(seed), stops: new Set() }
  setSignalMask(seed, mask)
  const fixed = MAP.FIXED_NOREPLACE | MAP.SHARED
  const map = (at: bigint, length: number, access: number, offset: number): void =>
    callInThreads(area, leaders([seed]), SEED_SYSCALL, "mmap", at, length, access, fixed, fd, offset)
  map(start, PAGE_SIZE, PROT.READ | PROT.EXEC, 0)
  map(dataStart, size - PAGE_SIZE, PROT.READ | PROT.WRITE, PAGE_SIZE)
  return {
    start,
    end: start + BigInt(size),
    stops: area.stops,
    run: (jobs) => runJobs(area, jobs),
    adopt(pid, tid) {
      const report = waitReport(tid, patience(), `the start of task ${tid}`)
      if (report.kind === "gone") throw died(pid, tid, report.status)
      setSignalMask(tid, mask)
    },
    interruptCall(pid, tid, call, args, data) {
      memory.bytes.set(data, PAGE_SIZE)
      return interruptCall(area, pid, tid, call, args(dataStart))
    },
    useTiles(pid, tid) {
      memory.bytes.set(tileConfiguration(), PAGE_SIZE)
      callInThreads(area, [{ pid, tid }], start + STUB_TILES, "gettid", dataStart)
    },
    remove: (pids) => callInThreads(area, leaders(pids), start + STUB_SYSCALL, "munmap", start, size),
  }
}
