import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { ALL_SIGNALS, sigbit, siginfo } from "../../ffi/abi/signal.ts"
import { type KernelMemory, memoryAt } from "../../ffi/kernel.ts"
import { decode } from "../../ffi/layout.ts"
import { errnoName, isFailure, type Syscall, SyscallError, syscall } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { PAGE_SIZE } from "../base/units.ts"
import { resultRegister, STUB_ENTRY, STUB_SYSCALL, stubCode, stubRegisters, syscallRegisters } from "./arch.x86_64.ts"
import type { Answers, Program } from "./program.ts"
import { SEED_SYSCALL } from "./seed.ts"
import { getRegisters, getSignalInfo, ptrace, setRegisters, setSignalMask } from "./trace.ts"
import { type Deadline, type Patience, waitReport } from "./wait.ts"

const SI_TKILL = -6
const aligned64 = (bytes: number): number => Math.ceil(bytes / 64) * 64

/** The interpreter's area in a process under restore: shared memory, so that the tool writes programs straight into it. */
export interface Workshop {
  readonly start: bigint
  readonly end: bigint
  /** Runs one program in each named thread, all at once. @throws SyscallError · CheckpointError E_RESTORE, E_TIMEOUT */
  run(programs: ReadonlyMap<number, Program>): Map<number, Answers>
  /** Waits until a thread that a program cloned is in our hands. */
  adopt(tid: number): void
  /** Starts a system call in a thread and stops it inside: for waits. The data are bytes for its arguments, at the returned address. */
  interruptCall(tid: number, call: Syscall, args: (data: bigint) => readonly (bigint | number)[], data: Uint8Array): bigint
  /** Takes the area out of the process: the last call that anything of ours makes in it. */
  remove(tid: number): void
}

/** Bytes of shared memory for runs of at most these programs together. */
export const workshopSize = (programs: readonly Program[]): number =>
  Math.ceil((PAGE_SIZE + programs.reduce((sum, program) => sum + aligned64(program.size), 4096)) / PAGE_SIZE) * PAGE_SIZE

/** The tool's view of the area's memfd. */
export interface SharedArea extends Disposable {
  readonly memory: KernelMemory
}

/** Maps a memfd of the area into the tool. Disposal unmaps; the descriptor stays the caller's. */
export function openArea(fd: number, size: number): SharedArea {
  const address = syscall("mmap", 0, size, 3, 1 /* MAP_SHARED */, fd, 0)
  const memory = memoryAt(address, size)
  memory.bytes.set(stubCode)
  return {
    memory,
    [Symbol.dispose]() {
      syscall("munmap", address, size)
    },
  }
}

/**
 * Sets the interpreter up in a fresh seed.
 *
 * @param fd number of the area's memfd in the seed   @param start where the area goes: free now and in the final layout
 * @param stopSignal unblocked in every thread until the end; no thread may have it pending in the images
 * Precondition: the seed is in ptrace-stop.
 */
export function openWorkshop(
  pid: number,
  fd: number,
  { memory }: SharedArea,
  start: bigint,
  stopSignal: number,
  patience: Patience,
): Workshop {
  const size = memory.bytes.length
  const base = getRegisters(pid)
  const mask = ALL_SIGNALS & ~sigbit(stopSignal)
  const dataStart = start + BigInt(PAGE_SIZE)

  /** Runs one call at `ip`, an address of a system call instruction, and stops at its exit. */
  const remote = (tid: number, ip: bigint, call: Syscall, ...args: (bigint | number)[]): bigint => {
    setRegisters(tid, syscallRegisters(base, ip, base.sp, call, args))
    for (let stops = 0; stops < 2; ) {
      ptrace("SYSCALL", tid)
      const report = waitReport(tid, patience(), `a call in thread ${tid}`)
      if (report.kind === "gone") throw died(pid, tid, report.status)
      if (report.kind === "syscall-stop") stops++
    }
    return resultRegister(getRegisters(tid))
  }
  const must = (answer: bigint, call: Syscall): void => {
    if (isFailure(Number(answer))) throw new SyscallError(call, errnoName(Number(-answer)), [], ` in process ${pid}`)
  }
  setSignalMask(pid, mask)
  const fixed = 0x100000 | 1 // MAP_FIXED_NOREPLACE | MAP_SHARED
  must(remote(pid, SEED_SYSCALL, "mmap", start, PAGE_SIZE, 5, fixed, fd, 0), "mmap")
  must(remote(pid, SEED_SYSCALL, "mmap", dataStart, size - PAGE_SIZE, 3, fixed, fd, PAGE_SIZE), "mmap")

  return {
    start,
    end: start + BigInt(size),
    run(programs) {
      let offset = PAGE_SIZE
      const placed = [...programs].map(([tid, program]) => {
        const at = offset
        const header = start + BigInt(at)
        if (at + program.size > size) throw new Error(`Unreachable: programs larger than the area of ${size} bytes`)
        memory.bytes.set(program.place(header, { pid, tid, signal: stopSignal }), at)
        offset = at + aligned64(program.size)
        return { tid, program, at, header }
      })
      for (const { tid, header } of placed) setRegisters(tid, stubRegisters(base, start + STUB_ENTRY, header))
      for (const { tid } of placed) ptrace("CONT", tid)
      for (const { tid } of placed) waitForStop(pid, tid, stopSignal, patience())
      return new Map(
        placed.map(({ tid, program, at }) => [
          tid,
          program.answers(memory.bytes.slice(at, at + program.size), ` in thread ${tid} of the new process ${pid}`),
        ]),
      )
    },
    adopt(tid) {
      const report = waitReport(tid, patience(), `the start of thread ${tid}`)
      if (report.kind === "gone") throw died(pid, tid, report.status)
      setSignalMask(tid, mask)
    },
    interruptCall(tid, call, args, data) {
      memory.bytes.set(data, PAGE_SIZE)
      setRegisters(tid, syscallRegisters(base, start + STUB_SYSCALL, base.sp, call, args(dataStart)))
      ptrace("SYSCALL", tid)
      waitReport(tid, patience(), `the wait in thread ${tid}`)
      // Asked for before the call sleeps: it is interrupted at once, however short the time left is.
      ptrace("INTERRUPT", tid)
      ptrace("CONT", tid)
      waitReport(tid, patience(), `the wait in thread ${tid}`)
      return resultRegister(getRegisters(tid))
    },
    remove(tid) {
      must(remote(tid, start + STUB_SYSCALL, "munmap", start, size), "munmap")
    },
  }
}

const died = (pid: number, tid: number, status: number): CheckpointError =>
  new CheckpointError(
    "E_RESTORE",
    `Cannot build process ${pid}`,
    `thread ${tid} ended with wait status 0x${status.toString(16)}`,
    "Look at the kernel log: the memory limit of the cgroup may be too small",
  )

/** Waits until a stub has run to its end. */
function waitForStop(pid: number, tid: number, signal: number, deadline: Deadline): void {
  for (;;) {
    const report = waitReport(tid, deadline, `the calls in thread ${tid}`)
    if (report.kind === "gone") throw died(pid, tid, report.status)
    if (report.kind === "signal-stop") {
      const info = decode(siginfo, getSignalInfo(tid))
      if (report.signal === signal && info.si_code === SI_TKILL) return
      // Anything else that is not blocked comes from a fault of the program itself.
      if (report.signal !== signal) {
        const { ip } = getRegisters(tid) as Registers
        throw new CheckpointError(
          "E_RESTORE",
          `Cannot build process ${pid}`,
          `thread ${tid} got signal ${report.signal} at 0x${ip.toString(16)}`,
          "Report this with the log of -v4",
        )
      }
    }
    ptrace("CONT", tid)
  }
}
