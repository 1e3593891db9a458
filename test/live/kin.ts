import { readFileSync } from "node:fs"
import { waitFor } from "../harness/deadline.ts"
import { linkOf, signal, statusOf, threadsOf } from "../harness/process.ts"
import type { Victim } from "../harness/victim.ts"

/** Parent, group and session of a process, and whether it is stopped: what no dump may change. Undefined when it is gone. */
export function placeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const [state = "", ...ids] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return `${/[Tt]/.test(state) ? "stopped" : "runs"} ${ids.slice(0, 3).join(" ")} ${threadsOf(pid).length} threads`
  } catch {
    return undefined
  }
}

/** PIDs of a process and all below it, zombies too. */
export function treeOf(root: number): number[] {
  const found = [root]
  for (const pid of found)
    for (const tid of threadsOf(pid)) {
      try {
        found.push(...readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1").split(" ").filter(Boolean).map(Number))
      } catch {
        // It has ended since.
      }
    }
  return found
}

/** All members of a tree with their places. */
export const portrait = (victim: Victim): Record<number, string | undefined> =>
  Object.fromEntries(victim.members().map((pid) => [pid, placeOf(pid)]))

/** Nobody traces any of these. */
export const untraced = (pids: readonly number[]): boolean => pids.every((pid) => ["0", undefined].includes(statusOf(pid, "TracerPid")))

/** Waits until no tool has hold of the tree any more. */
export const released = (victim: Victim): Promise<boolean> =>
  waitFor(`the tree of ${victim.name} to be released`, () => untraced(victim.members()))

/** Those of `pids` that live, a half-built process of a restore included. */
export const survivors = (pids: readonly number[]): number[] =>
  pids.filter((pid) => !["Z", undefined].includes(statusOf(pid, "State")?.[0]))

/** Ends what a failed test of a restore left half-built: never a stranger. */
export function endHalfBuilt(pids: readonly number[]): void {
  for (const pid of pids) if (linkOf(`/proc/${pid}/exe`)?.startsWith("/memfd:stasis")) signal(pid, "SIGKILL")
}

/** Waits until none of these PIDs is in use, not even by a zombie. */
export const allGone = (pids: readonly number[]): Promise<boolean> =>
  waitFor(`${pids.length} processes to be gone`, () => pids.every((pid) => placeOf(pid) === undefined))
