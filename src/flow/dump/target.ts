import { AT, O } from "../../../ffi/abi/file.ts"
import { allocate, attempt, errnoName, pathArgument } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import { PF_KTHREAD } from "../../proc/source.ts"
import { readStat } from "../../proc/stat.ts"
import { readStatus, readStatusIfAlive, type Status } from "../../proc/status.ts"
import { aboutTracer } from "../../tracee/tracer.ts"

const ROOM = 256
const room = allocate(4096)

/**
 * Refuses what is no process of a program, or this one, in words that say what to name instead.
 *
 * @param action what cannot be done with it, for the error
 * @throws CheckpointError E_SELF · E_NO_PROCESS · E_KERNEL_THREAD
 */
export function checkProcess(pid: number, action: string): Status {
  if (pid === process.pid) throw new CheckpointError("E_SELF", action, "it is stasis itself", "Name the PID of another process")
  const alive = attempt("kill", pid, 0)
  if (alive < 0 && errnoName(-alive) === "ESRCH")
    throw new CheckpointError("E_NO_PROCESS", action, "there is no such process", "Look for its PID with ps")
  const { flags, comm } = readStat(pid)
  if (flags & PF_KTHREAD)
    throw new CheckpointError("E_KERNEL_THREAD", action, `it is the kernel thread "${comm}"`, "Name the PID of a program")
  const status = readStatus(pid)
  const { tgid, state, ppid, threads } = status
  if (tgid !== pid)
    throw new CheckpointError(
      "E_NO_PROCESS",
      action,
      `it is a thread of process ${tgid}`,
      `Name process ${tgid}, which stands for all its threads`,
    )
  if ((state === "Z" || state === "X") && threads <= 1)
    throw new CheckpointError(
      "E_NO_PROCESS",
      action,
      `it has ended, and its parent ${ppid} has not waited for it (a zombie)`,
      "Name a running process",
    )
  return status
}

/** Errors of the target itself, which no option can change. @throws CheckpointError E_SELF · E_NO_PROCESS · E_KERNEL_THREAD · E_TRACED */
export function checkTarget(pid: number): void {
  const action = `Cannot dump task ${pid}`
  const { tracerPid } = checkProcess(pid, action)
  if (tracerPid !== 0)
    throw new CheckpointError(
      "E_TRACED",
      action,
      ...aboutTracer(tracerPid, readStatusIfAlive(tracerPid)?.name, readStatus(process.pid).name),
    )
  for (let ancestor = process.ppid; ancestor > 0; ancestor = readStatus(ancestor).ppid)
    if (ancestor === pid)
      throw new CheckpointError(
        "E_SELF",
        action,
        "it is an ancestor of stasis",
        "Run stasis from outside the tree, for example with setsid",
      )
}

/**
 * Says why the kernel does not let us look at a process. Its descriptors and memory belong to its user even for who may trace it, and
 * signals take a right of their own.
 *
 * @throws CheckpointError E_PERMISSION. Kernel: kernel/ptrace.c __ptrace_may_access(), fs/proc/fd.c proc_fd_permission()
 */
export function checkAccess(pid: number): void {
  const isTraceable = !isDenied(attempt("readlink", pathArgument(`/proc/${pid}/ns/mnt`), room.address, ROOM))
  const descriptors = isTraceable ? attempt("openat", AT.FDCWD, pathArgument(`/proc/${pid}/fd`), O.DIRECTORY | O.CLOEXEC, 0) : -1
  if (descriptors >= 0) attempt("close", descriptors)
  const answer = attempt("kill", pid, 0)
  if (isTraceable && !isDenied(descriptors) && !(answer < 0 && errnoName(-answer) === "EPERM")) return
  const [theirs, ours] = [readStatusIfAlive(pid), readStatus(process.pid)]
  if (!theirs) return
  const [user, own] = [theirs.uid.real, ours.uid.filesystem]
  const found =
    user !== own
      ? `it belongs to user ${user}, and stasis runs as user ${own}`
      : theirs.capPermitted & ~ours.capPermitted
        ? "it has capabilities that stasis does not have"
        : "it lets nobody but root look at it (prctl PR_SET_DUMPABLE, or a program that its user may not read)"
  const next = "Run stasis as that user, as root, or with CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE, CAP_DAC_READ_SEARCH and CAP_KILL"
  throw new CheckpointError("E_PERMISSION", `Cannot dump task ${pid}`, found, next)
}

const isDenied = (answer: number): boolean => answer < 0 && errnoName(-answer) === "EACCES"
