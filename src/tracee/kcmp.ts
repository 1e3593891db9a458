import { attempt, errnoName, isFailure, SyscallError } from "../../ffi/syscall.ts"

/** An answer of kcmp(2) for objects that differ without an order. */
export const DIFFERENT = 3

/**
 * How the kernel orders two of its objects: 0 = they are one, 1 = the first comes first, 2 = the second does. What a task had that is
 * gone by now is like nothing else (3).
 *
 * @param type KCMP_*   @param a, b numbers of the objects for types that have them
 * @throws SyscallError ENOSYS a kernel without CONFIG_KCMP · EPERM no ptrace access. Man page: kcmp(2)
 */
export function compareObjects(pid: number, other: number, type: number, a: number | bigint = 0, b: number | bigint = 0): number {
  const answer = attempt("kcmp", pid, other, type, a, b)
  if (!isFailure(answer)) return answer
  const errno = errnoName(-answer)
  if (errno === "ESRCH" || errno === "EBADF") return DIFFERENT
  throw new SyscallError("kcmp", errno, [pid, other, type, a, b])
}
