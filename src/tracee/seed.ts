import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { closeSync } from "../../ffi/fs.ts"
import { pause } from "../../ffi/interrupt.ts"
import { seed } from "../../ffi/stub/gen/x86_64.ts"
import { attempt, errnoName, SyscallError } from "../../ffi/syscall.ts"
import { errnoOf } from "../base/errno.ts"
import { CheckpointError, type ErrorCode } from "../base/errors.ts"
import { executable, memoryFile, spawnFile, startChild } from "./child.ts"
import type { Late } from "./late.ts"
import { type Leash, openLeash } from "./leash.ts"
import { ptrace } from "./trace.ts"
import { awaitGone, checkDeadline, cleanupDeadline, type Deadline, waitReport } from "./wait.ts"

/** A system call instruction in the seed that a remote call can use. */
export const SEED_SYSCALL = BigInt(seed.base + seed.symbols.remote_syscall)

/** Who has a PID or keeps it from being given, whether that will pass, and why it has not yet. */
export interface Keeper {
  readonly name: string
  readonly dying: boolean
  readonly late: () => Late
}

/**
 * Starts the process that a restore builds on, or one that stands in for a process that had ended: a static program without libc, stopped
 * and traced, that dies with the tool. The caller ends a stand-in by `endWaiter`.
 *
 * It has the wanted PID from its first moment. Inherited are the tool's descriptors without close-on-exec, and its full signal mask.
 *
 * @param owner who has the PID or keeps it from being given
 * @throws CheckpointError E_PID_TAKEN by an owner that stays · E_TIMEOUT, E_INTERRUPTED waiting for one that ends · E_PERMISSION · E_KERNEL
 *   · E_RESTORE
 * Kernel: clone3(2) with set_tid (Linux 5.5), needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN.
 */
export function spawnSeed(
  pid: number,
  birth: { readonly sibling?: boolean; readonly orphan?: boolean },
  deadline: Deadline,
  owner: (pid: number) => Keeper,
): void {
  using leash = openLeash()
  const file = memoryFile("stasis-seed", executable(seed, leashData(leash)))
  try {
    for (;;) {
      const answer = spawnFile(file, { ...birth, pid })
      if (answer === pid) break
      const errno = errnoName(-answer)
      const cause = new SyscallError("clone3", errno, [pid])
      if (errno !== "EEXIST") throw refusedClone(pid, errno, cause)
      const { name, dying, late } = owner(pid)
      // A killed process keeps its PID until its parent reaps it, so a dying owner is waited for.
      if (!dying)
        throw new CheckpointError(
          "E_PID_TAKEN",
          `Cannot create process ${pid}`,
          `the PID belongs to ${name}`,
          "End that process, or restore in a PID namespace of its own",
          cause,
        )
      checkDeadline(deadline, `the wait for PID ${pid}, which belongs to ${name}`, late)
      pause(2)
    }
  } finally {
    closeSync(file)
  }
  hold(pid, deadline)
}

/**
 * Starts a child that only waits, stopped and traced, with any PID. It dies with the tool; the caller ends it by
 * `endWaiter`.
 *
 * @throws SyscallError · CheckpointError E_TIMEOUT, E_INTERRUPTED · E_DISK_FULL a limit of file sizes, which counts for memfds too
 *   · E_KERNEL a limit of processes
 */
export function startWaiter(deadline: Deadline): number {
  using leash = openLeash()
  const pid = startLeashed(leash)
  hold(pid, deadline)
  return pid
}

/**
 * Starts a child that only waits, with any PID, for the tool to practise on: it is not traced. It ends with the tool, or by disposal.
 *
 * @throws as `startWaiter`
 */
export function startUnderstudy(): { readonly pid: number } & Disposable {
  const leash = openLeash()
  try {
    const pid = startLeashed(leash)
    const end = (): void => {
      leash[Symbol.dispose]()
      endWaiter(pid)
    }
    return { pid, [Symbol.dispose]: end }
  } catch (error) {
    leash[Symbol.dispose]()
    throw error
  }
}

/** Kills a child that `startUnderstudy`, `startWaiter` or `spawnSeed` has started, and reaps it. @throws CheckpointError E_TIMEOUT */
export function endWaiter(pid: number): void {
  attempt("kill", pid, SIG.KILL)
  awaitGone(pid, cleanupDeadline(), `the end of process ${pid}`)
}

function startLeashed(leash: Leash): number {
  try {
    return startChild("stasis-seed", seed, leashData(leash))
  } catch (error) {
    const refuse = (code: ErrorCode, found: string, next: string): CheckpointError =>
      new CheckpointError(code, "Cannot start a program of stasis", found, `${next}, then try again`, error)
    const errno = errnoOf(error)
    if (errno === "EFBIG") throw refuse("E_DISK_FULL", "the limit of file sizes (RLIMIT_FSIZE) is too small for it", "Raise ulimit -f")
    if (errno === "EAGAIN")
      throw refuse("E_KERNEL", "no more processes may be started (RLIMIT_NPROC, or pids.max of a cgroup)", "Raise ulimit -u or pids.max")
    throw error
  }
}

/** What stands behind the code of a seed. */
const leashData = ({ end }: Leash): Uint8Array => new Uint8Array(Uint32Array.of(end).buffer)

/** Takes hold of a new seed, which until it has stopped ends with its leash, and from the seizure on with its tracer. */
function hold(pid: number, deadline: Deadline): void {
  try {
    ptrace("SEIZE", pid, 0, PTRACE_O.TRACESYSGOOD | PTRACE_O.EXITKILL)
    ptrace("INTERRUPT", pid)
    const report = waitReport(pid, deadline, `the start of process ${pid}`)
    if (report.kind === "gone") throw new Error(`The seed ended with status ${report.status} instead of waiting`)
  } catch (error) {
    attempt("kill", pid, SIG.KILL)
    throw error
  }
}

function refusedClone(pid: number, errno: string, cause: SyscallError): CheckpointError {
  const action = `Cannot create process ${pid}`
  if (errno === "EPERM")
    return new CheckpointError(
      "E_PERMISSION",
      action,
      "choosing a PID is not allowed",
      "Run as root, with CAP_CHECKPOINT_RESTORE, or in user and PID namespaces of your own",
      cause,
    )
  if (errno === "EINVAL")
    return new CheckpointError(
      "E_KERNEL",
      action,
      "the kernel does not take this PID",
      "Use Linux 5.5 or newer; look at /proc/sys/kernel/pid_max",
      cause,
    )
  return new CheckpointError(
    "E_RESTORE",
    action,
    `clone3 answered ${errno}`,
    "Look at the limits of processes and memory (ulimit -u, cgroup)",
    cause,
  )
}
