import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { isFiltered, planSeccomp } from "../kinds/seccomp/restore.ts"
import { suspendSeccomp } from "../tracee/suspend.ts"
import type { Job } from "../tracee/workshop.ts"
import type { SavedTree } from "./images.ts"

/** Takes the first process out of seccomp when any of the tree needs that; whatever is cloned from then on is out of it too. */
export function suspendFilters({ root, processes }: SavedTree): void {
  if (processes.some(({ seccomp }) => isFiltered(seccomp))) suspendSeccomp(root.tree.pid, PTRACE_O.TRACESYSGOOD | PTRACE_O.EXITKILL)
}

/** Seccomp of all threads, in two rounds: what the threads of a process share, then what each has alone. */
export function filterJobs({ processes }: SavedTree): [shared: Job[], own: Job[]] {
  const jobs: [Job[], Job[]] = [[], []]
  for (const { tree, seccomp, extension } of processes) {
    const { pid } = tree
    const { shared, own } = planSeccomp(seccomp, extension !== undefined)
    if (shared) jobs[0].push({ pid, tid: pid, program: shared })
    for (const [tid, program] of own) jobs[1].push({ pid, tid, program })
  }
  return jobs
}
