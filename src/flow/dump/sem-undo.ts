import { lastUsers, undoLosses } from "../../kinds/semaphores/undo.ts"
import { readSem } from "../../proc/sysvipc.ts"
import { endWaiter, startWaiter } from "../../tracee/seed.ts"
import { fixedDeadline } from "../../tracee/wait.ts"

const DEADLINE = 5 // s

/** What of System V semaphores is lost with the processes of a stopped tree, for people. */
export function lostSemUndo(pids: readonly number[]): string[] {
  const rows = readSem()
  if (rows.length === 0) return []
  using scope = new DisposableStack()
  const blank = (): number => {
    const pid = startWaiter(fixedDeadline(DEADLINE))
    scope.defer(() => endWaiter(pid))
    return pid
  }
  return undoLosses(pids, lastUsers(rows), blank)
}
