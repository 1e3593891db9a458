import type { Refusal } from "../../base/errors.ts"
import { collectObjects, groupObjects, type ObjectGroups, type ObjectIds, surveyStrangers } from "../../kinds/tree/objects.ts"
import { descends } from "../../proc/outside.ts"
import { hasMemory, kernelChildren, listProcesses, livingThread } from "../../proc/tasks.ts"

/** What processes share, those left out that end meanwhile: all of them have the same nothing, which looks like sharing. */
export function objectsOfLiving(pids: readonly number[]): { objects: ReadonlyMap<number, ObjectIds>; groups: ObjectGroups } {
  for (let living = pids.filter(hasMemory); ; ) {
    const groups = groupObjects(living)
    const still = living.filter(hasMemory)
    if (still.length === living.length) return { objects: collectObjects(living, groups), groups }
    living = still
  }
}

/** What processes share with living ones outside the tree. A child that was born into it meanwhile is no stranger. */
export function lookForStrangers(groups: ObjectGroups, inside: ReadonlySet<number>): Refusal[] {
  const kernel = kernelChildren()
  const strangers = listProcesses().filter((pid) => !inside.has(pid))
  const refusalsOf = (others: readonly number[]) => surveyStrangers(groups, others, kernel)
  return refusalsOf(strangers).length > 0
    ? refusalsOf(strangers.filter((pid) => !descends(pid, inside) && hasMemory(livingThread(pid))))
    : []
}
