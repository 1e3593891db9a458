import { KCMP } from "../../../ffi/abi/file.ts"
import { SEM } from "../../../ffi/abi/ipc.ts"
import { attempt } from "../../../ffi/syscall.ts"
import type { SemRow } from "../../proc/sysvipc.ts"
import { compareObjects } from "../../tracee/kcmp.ts"

/** Who used some semaphore of these sets last, and which. What we may not look at is left out. Man page: semctl(2), GETPID */
export function lastUsers(rows: readonly SemRow[], ask = (id: number, index: number) => attempt("semctl", id, index, SEM.GETPID, 0)) {
  const users = new Map<number, number>()
  for (const { id, count } of rows)
    for (let index = 0; index < count; index++) {
      const pid = ask(id, index)
      if (pid > 0) users.set(pid, id)
    }
  return users
}

/**
 * What processes may have to undo at their end (SEM_UNDO): the kernel does so when the dump kills them, and a restored one does not have
 * to. No interface tells; that a process has a list for it does, which threads that were made by clone(2) have always.
 *
 * @param users whose semaphores are looked at, see `lastUsers`   @param blank makes a process without such a list, only if there is need
 * @returns one text a process. Kernel: ipc/sem.c exit_sem(), copy_semundo()
 */
export function undoLosses(
  pids: readonly number[],
  users: ReadonlyMap<number, number>,
  blank: () => number,
  compare = compareObjects,
): string[] {
  const asked = pids.filter((pid) => users.has(pid))
  if (asked.length === 0) return []
  const reference = blank()
  return asked
    .filter((pid) => compare(reference, pid, KCMP.SYSVSEM) !== 0)
    .map((pid) => `what process ${pid} may have to undo at its end (SEM_UNDO) of System V semaphores ${users.get(pid)}, which it used last`)
}
