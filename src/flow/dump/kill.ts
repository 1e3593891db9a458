import { SIG } from "../../../ffi/abi/signal.ts"
import { attempt } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { FrozenTree } from "../../tracee/freeze.ts"
import { awaitGone, cleanupDeadline, type Deadline } from "../../tracee/wait.ts"

const log = logger("dump")

type Processes = Pick<FrozenTree, "processes">

/** Ends the saved tree: all at once, so that nobody sees another one's end. */
export function kill({ processes }: Processes): void {
  for (const process of processes) {
    attempt("kill", process.pid, SIG.KILL)
    process.ending = "dead"
  }
}

/**
 * Waits until the killed tree has gone. The root's own parent reaps it, init the rest.
 *
 * @param patience how long each thread may take, which frees the memory when it is the last; after that it is only told: the set is
 *   complete, and nothing of the tree ever runs again
 */
export function awaitEnd({ processes }: Processes, patience: () => Deadline = cleanupDeadline): void {
  // Threads first: the leader reports its end when it is the last.
  for (const { pid, threads } of processes)
    try {
      for (const { tid } of [...threads].reverse()) awaitGone(tid, patience(), `the end of thread ${tid}`)
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
      log.warn(`process ${pid} is saved and was killed, but has not ended yet: its PID is free when it has`)
    }
}
