import { SIG } from "../../../ffi/abi/signal.ts"
import { attempt } from "../../../ffi/syscall.ts"
import { lastUsers, undoLosses } from "../../kinds/semaphores/undo.ts"
import { readSem } from "../../proc/sysvipc.ts"
import { startWaiter } from "../../tracee/seed.ts"
import { cleanupDeadline, fixedDeadline, waitReport } from "../../tracee/wait.ts"

const DEADLINE = 5 // s

/** What of System V semaphores is lost with the processes of a stopped tree, for people. */
export function lostUndo(pids: readonly number[]): string[] {
  const rows = readSem()
  if (rows.length === 0) return []
  using scope = new DisposableStack()
  const blank = (): number => {
    const pid = startWaiter(fixedDeadline(DEADLINE))
    scope.defer(() => {
      attempt("kill", pid, SIG.KILL)
      while (waitReport(pid, cleanupDeadline(), `the end of process ${pid}`).kind !== "gone");
    })
    return pid
  }
  return undoLosses(pids, lastUsers(rows), blank)
}
