import { attempt, errnoName, SyscallError, syscall } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import { lackOfDescriptors } from "../../tracee/own-limit.ts"

/** Access to another process's open files through descriptors of our own. */
export interface Copies extends Disposable {
  /**
   * Lends a copy of a descriptor to `use` and closes it. Offset, flags, owner and content are those of the process.
   *
   * @returns undefined when the descriptor is not open
   */
  lend<T>(fd: number, use: (copy: number) => T): T | undefined
}

/** The same, as another thread of ours can use it. */
export interface Borrowed extends Copies {
  /** A descriptor of the process. Man page: pidfd_open(2) */
  readonly pidfd: number
}

/**
 * Opens the way to a process's descriptors. Man page: pidfd_getfd(2), since Linux 5.6.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · E_KERNEL
 */
export function borrowDescriptors(pid: number): Borrowed {
  const pidfd = attempt("pidfd_open", pid, 0)
  if (pidfd < 0) throw refusal(pid, "pidfd_open", -pidfd, [pid, 0])
  return {
    pidfd,
    lend(fd, use) {
      const copy = attempt("pidfd_getfd", pidfd, fd, 0)
      if (copy < 0) return refuseCopy(pid, pidfd, fd, -copy)
      try {
        return use(copy)
      } finally {
        syscall("close", copy)
      }
    },
    [Symbol.dispose]: () => void syscall("close", pidfd),
  }
}

/** Says why pidfd_getfd(2) made no copy. @returns when the descriptor is not open   @throws CheckpointError, SyscallError otherwise */
export function refuseCopy(pid: number, pidfd: number, fd: number, errno: number): undefined {
  if (errnoName(errno) !== "EBADF") throw refusal(pid, "pidfd_getfd", errno, [pidfd, fd, 0])
}

function refusal(pid: number, call: string, errno: number, args: readonly number[]): Error {
  const name = errnoName(errno)
  const cause = new SyscallError(call, name, args)
  const action = `Cannot look at the open files of task ${pid}`
  if (name === "ESRCH") return new CheckpointError("E_NO_PROCESS", action, "it is gone", "Name a running process", cause)
  if (name === "EPERM")
    return new CheckpointError("E_PERMISSION", action, "access was denied", "Run as root, or as its owner with CAP_SYS_PTRACE", cause)
  if (name === "ENOSYS") return new CheckpointError("E_KERNEL", action, `this kernel has no ${call}`, "Use Linux 5.6 or later", cause)
  return lackOfDescriptors(action, cause) ?? cause
}
