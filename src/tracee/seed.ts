import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { closeSync } from "../../ffi/fs.ts"
import { seed } from "../../ffi/stub/gen/x86_64.ts"
import { attempt, errnoName, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { readNamespaces } from "../proc/links.ts"
import { formatClockOffsets, NO_OFFSETS, readClockOffsetsIfAlive } from "../proc/timens.ts"
import { executable, memoryFile, spawnFile } from "./child.ts"
import { ptrace } from "./trace.ts"
import { checkDeadline, type Deadline, waitReport } from "./wait.ts"

/** A system call instruction in the seed that a remote call can use. */
export const SEED_SYSCALL = BigInt(seed.base + seed.symbols.remote_syscall)

/** What the new process is to be. */
export interface SeedBirth {
  readonly pid: number
  /** A child of our parent instead of ours. */
  readonly sibling: boolean
  /** Its clocks: see Birth of ./child.ts */
  readonly clocks?: string | undefined
}

type Owner = (pid: number) => { name: string; dying: boolean }

/** Failures of clone3 that a time namespace may be the reason of: no such flag, not allowed, too many (user.max_time_namespaces). */
const TIMELESS: readonly string[] = ["EINVAL", "EPERM", "ENOSPC"]

/**
 * Starts the process that a restore builds on: a static program without libc, stopped and traced, that dies with the tool.
 *
 * It has the wanted PID from its first moment. Inherited are the tool's descriptors without close-on-exec, and its full signal mask.
 *
 * @param owner says who has the PID or keeps it from being given, and whether that will pass
 * @returns whether its clocks are those asked for; without CAP_SYS_ADMIN, CAP_SYS_TIME or a kernel that can they are the tool's
 * @throws CheckpointError E_PID_TAKEN by an owner that stays · E_TIMEOUT, E_INTERRUPTED waiting for one that ends · E_PERMISSION · E_KERNEL · E_RESTORE
 * Kernel: clone3(2) with set_tid (Linux 5.5), needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN.
 */
export function spawnSeed(birth: SeedBirth, deadline: Deadline, owner: Owner): { readonly timed: boolean } {
  const { pid, clocks } = birth
  const file = memoryFile("stasis-seed", executable(seed))
  try {
    if (clocks !== undefined && bear(file, birth, deadline, owner)) {
      seize(pid, deadline)
      if (hasClocks(pid, clocks)) return { timed: true }
      attempt("kill", pid, SIG.KILL)
      while (waitReport(pid, deadline, `the end of process ${pid}`).kind !== "gone");
    }
    bear(file, { ...birth, clocks: undefined }, deadline, owner)
    seize(pid, deadline)
    return { timed: false }
  } finally {
    closeSync(file)
  }
}

/** Whether a process is in a time namespace of its own with these offsets. */
const hasClocks = (pid: number, clocks: string): boolean =>
  readNamespaces(pid).get("time") !== readNamespaces(process.pid).get("time") &&
  formatClockOffsets(readClockOffsetsIfAlive(pid) ?? NO_OFFSETS) === clocks

/** Clones the seed. @returns false when it failed and a time namespace may be the reason */
function bear(file: number, { pid, sibling, clocks }: SeedBirth, deadline: Deadline, owner: Owner): boolean {
  for (;;) {
    const answer = spawnFile(file, { pid, sibling, clocks })
    if (answer === pid) return true
    const errno = errnoName(-answer)
    const cause = new SyscallError("clone3", errno, [pid])
    if (clocks !== undefined && TIMELESS.includes(errno)) return false
    if (errno !== "EEXIST") throw refusedClone(pid, errno, cause)
    const { name, dying } = owner(pid)
    // A killed process keeps its PID until its parent reaps it, so a dying owner is waited for.
    if (!dying)
      throw new CheckpointError(
        "E_PID_TAKEN",
        `Cannot create process ${pid}`,
        `the PID belongs to ${name}`,
        "End that process, or restore in a PID namespace of its own",
        cause,
      )
    checkDeadline(deadline, `the wait for PID ${pid}, which belongs to ${name}`)
    attempt("poll", 0, 0, 2)
  }
}

/** Takes the new process into our hands: from here on it ends with the tool. */
function seize(pid: number, deadline: Deadline): void {
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
    return new CheckpointError("E_PERMISSION", action, "choosing a PID is not allowed", "Run as root or with CAP_CHECKPOINT_RESTORE", cause)
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
