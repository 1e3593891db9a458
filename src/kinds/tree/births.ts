import { appendAdoptions, enact, type Rounds } from "./adoptions.ts"
import { planGroups } from "./groups.ts"
import { traceLineage } from "./lineage.ts"
import { raiseTasks } from "./newborns.ts"
import { findPlaces } from "./places.ts"
import type { BirthPlan, Member } from "./plan.ts"

/**
 * Plans how the processes of a tree come into being with their parents, sessions and process groups.
 *
 * @param shellJob the root's session, and its group unless a member leads that, are those of whoever restores, and are inherited
 * @throws CheckpointError E_USAGE a root in a session outside without `shellJob` · E_IMAGE_UNSUPPORTED a tree that no kernel makes
 *
 * Precondition: ./check-tree.ts has passed.
 */
export function planBirths(members: readonly Member[], shellJob: boolean): BirthPlan {
  const places = findPlaces(members, shellJob)
  const newborns = raiseTasks(places, traceLineage(places))
  const passing = [...newborns.values()].filter(({ helper }) => helper)
  const groups = planGroups(places, newborns)
  const rounds: Rounds = []
  for (const { task, round, leads, early, late } of newborns.values()) {
    for (const child of early) enact(rounds, round, task, { act: "clone", child: child.task })
    if (leads) enact(rounds, round, task, { act: "setsid" })
    for (const child of late) enact(rounds, round, task, { act: "clone", child: child.task })
  }
  appendAdoptions(rounds, passing)
  return {
    rounds,
    groups,
    deaths: new Map(members.filter(({ dead }) => dead).map(({ pid }) => [pid, [{ act: "die" }]])),
    helpers: [...newborns.values()].flatMap(({ task, from, helper }) => (helper && from ? { task, parent: from.task } : [])),
  }
}
