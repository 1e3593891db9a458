import { MQUEUE_MAGIC, O, S_IF } from "../../../../ffi/abi/file.ts"
import { allocate, attempt, errnoName, isFailure, pathArgument, SyscallError } from "../../../../ffi/syscall.ts"
import type { Found } from "../collecting.ts"
import { type FileStat, kindOf, statDescriptor } from "../stat.ts"

const memory = allocate(4096)
/** Bytes that every queue seems to have. Kernel: ipc/mqueue.c FILENT_SIZE */
const SEEMING_SIZE = 80n

/** Whether an open file is a POSIX message queue, by whatever way it was opened. */
export function isQueue({ pid, fd, stat, flags }: Found): boolean {
  if (kindOf(stat.mode) !== S_IF.REG || stat.size !== SEEMING_SIZE || flags & O.PATH) return false
  const answer = attempt("statfs", pathArgument(`/proc/${pid}/fd/${fd}`), memory.address)
  return answer >= 0 && memory.view.getUint32(0, true) === MQUEUE_MAGIC
}

/** Whether it was opened by mq_open(3): its path is that of a mount which nobody sees, and names have no slash. Man page: mq_overview(7) */
export const isHidden = ({ target }: Pick<Found, "target">): boolean => /^\/[^/]+$/.test(target)

/** Name of a queue as mq_open(2) takes it, without the slash of mq_open(3). */
export const queueName = (name: string): string => name.slice(1)

/** The queue that has a name in our IPC namespace; null when there is none. @throws SyscallError anything but ENOENT */
export function lookUpQueue(name: string): FileStat | null {
  const fd = attempt("mq_open", pathArgument(queueName(name)), O.RDONLY, 0, 0)
  if (isFailure(fd)) {
    if (errnoName(-fd) === "ENOENT") return null
    throw new SyscallError("mq_open", errnoName(-fd), [], ` for "${name}"`)
  }
  try {
    return statDescriptor(fd)
  } finally {
    attempt("close", fd)
  }
}
