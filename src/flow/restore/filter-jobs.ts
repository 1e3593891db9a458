import { PTRACE_O } from "../../../ffi/abi/ptrace.ts"
import { logger } from "../../base/log.ts"
import { restoreFutexSlots } from "../../kinds/attributes/futex-hash.ts"
import { isFiltered, planSeccomp } from "../../kinds/seccomp/restore.ts"
import { readStatus } from "../../proc/status.ts"
import type { Answers } from "../../tracee/program.ts"
import type { Job, StubArea } from "../../tracee/stub-area.ts"
import { suspendSeccomp } from "../../tracee/suspend.ts"
import type { SavedTree } from "../images.ts"

const log = logger("seccomp")

/** Whoever is born under filters never gets rid of them. Man page: seccomp(2) */
export function tellOwnFilters(): void {
  if (readStatus(process.pid).seccomp)
    log.warn(
      "stasis is under seccomp itself: what it restores stays under the same filters, besides its own; from outside that sandbox it does not",
    )
}

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

/** Gives each address space the futex hash that it had. Precondition: all threads are there. */
export function restoreHashes({ processes }: SavedTree, stubArea: StubArea, makesMemory: (pid: number) => boolean): void {
  for (const { tree, extension } of processes) {
    const { pid } = tree
    if (makesMemory(pid))
      restoreFutexSlots(extension?.futex_slots, (program) => stubArea.run([{ pid, tid: pid, program }]).get(pid) as Answers)
  }
}
