import type { Refusal } from "../../base/errors.ts"
import type { Cgroup } from "../../proc/cgroup.ts"
import { isFrozen } from "./freezer.ts"
import { directoryOf, type Hierarchy, nameOf } from "./hierarchy.ts"

/** Answers of one look at the hierarchies: the threads of a tree are mostly in the same few directories. */
const answers = new WeakMap<readonly Hierarchy[], Map<string, boolean>>()
const isFrozenNow = (directory: string, hierarchies: readonly Hierarchy[]): boolean =>
  answers.getOrInsertComputed(hierarchies, () => new Map()).getOrInsertComputed(directory, isFrozen)

/** A cgroup as messages name it. */
export const shownAs = (membership: Cgroup): string => `${nameOf(membership) || "cgroup2"}:${membership.path}`

/** The directory of a cgroup that is frozen; undefined for others, and for those that no mount shows. */
export function frozenDirectory(membership: Cgroup, hierarchies: readonly Hierarchy[]): string | undefined {
  const hierarchy = hierarchies.find(({ name }) => name === nameOf(membership))
  const directory = hierarchy && directoryOf(hierarchy, membership.path)
  return directory && isFrozenNow(directory, hierarchies) ? directory : undefined
}

/**
 * What of a thread's cgroups cannot be dumped.
 *
 * @param hierarchies as found for this look: whether a directory is frozen is asked once for each such list
 * @param thaws the dump was asked to freeze a cgroup, and so to thaw it
 */
export function surveyCgroups(tid: number, cgroups: readonly Cgroup[], hierarchies: readonly Hierarchy[], thaws: boolean): Refusal[] {
  return cgroups.flatMap((membership): Refusal[] => {
    const where = `task ${tid}`
    const shown = shownAs(membership)
    if (membership.path.startsWith("/.."))
      return [{ what: `in cgroup ${shown}, outside our cgroup namespace`, where, remedy: "Run stasis in the host's cgroup namespace" }]
    if (membership.path.endsWith(" (deleted)"))
      return [{ what: `in the removed cgroup ${shown}`, where, remedy: "Move it into another cgroup before the dump" }]
    const directory = thaws ? undefined : frozenDirectory(membership, hierarchies)
    if (directory === undefined) return []
    return [{ what: `in the frozen cgroup ${shown}`, where, remedy: `Thaw it, or add --freeze-cgroup ${directory}` }]
  })
}

/** What stands against the threads of a process, each said once: they are mostly in the same cgroups. */
export const saidOnce = (pid: number, refusals: readonly Refusal[]): Refusal[] =>
  [...Map.groupBy(refusals, ({ what }) => what).values()].flatMap(([first, ...others]) => {
    if (!first) return []
    return [others.length === 0 ? first : { ...first, where: `task ${pid}, ${others.length + 1} threads of it` }]
  })
