import { readStatusIfAlive } from "../proc/status.ts"
import { listThreadsIfAlive, readChildren } from "../proc/tasks.ts"
import type { TreeLists } from "./freeze.ts"

/** Tasks as /proc shows them at this moment. */
export const liveTasks: TreeLists = {
  threads: (pid) => listThreadsIfAlive(pid) ?? [],
  children: readChildren,
  tracer: (tid) => readStatusIfAlive(tid)?.tracerPid ?? 0,
}
