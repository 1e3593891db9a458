import type { Birth } from "./lineage.ts"
import type { Places } from "./places.ts"
import type { TaskId } from "./plan.ts"

/** A task in the making. */
export interface Newborn {
  readonly task: TaskId
  /** Who clones it; undefined for the root. */
  readonly from: Newborn | undefined
  /** Round of its acts; it is cloned in the one before. */
  readonly round: number
  readonly leads: boolean
  /** No image knows it: it ends when its children have been adopted, or its group has its members. */
  readonly helper: boolean
  /** Cloned before its setsid, and after it (or without one). */
  readonly early: Newborn[]
  readonly late: Newborn[]
  /** Of a helper whose children are no helpers: their parent in the images. */
  adopter: TaskId | undefined
}

/** All tasks of a plan by id, each after the one it is born from. */
export type Newborns = Map<TaskId, Newborn>

interface Kind {
  readonly leads?: boolean
  readonly helper?: boolean
}

/** Adds a task, born from `from`. `task` undefined: a helper whose PID is anyone's. */
function bear(newborns: Newborns, from: Newborn | undefined, early: boolean, kind: Kind, task?: TaskId): Newborn {
  // Each has a number of its own, because the map only grows.
  const id = task ?? -newborns.size
  const { leads = false, helper = false } = kind
  const child: Newborn = { task: id, from, round: from ? from.round + 1 : 0, leads, helper, early: [], late: [], adopter: undefined }
  if (from) (early ? from.early : from.late).push(child)
  newborns.set(id, child)
  return child
}

/** Adds a helper for a process group: a child of `from`, born after its setsid. `task` undefined: its PID is anyone's. */
export const addHelper = (newborns: Newborns, from: Newborn, task?: TaskId): Newborn => bear(newborns, from, false, { helper: true }, task)

/** The tasks of a lineage, with the helpers that give birth where the final parent cannot. */
export function raiseTasks({ root, members, sessionOf }: Places, lineage: ReadonlyMap<TaskId, Birth>): Newborns {
  const children = Map.groupBy(lineage.keys(), (task) => lineage.get(task)?.from ?? 0)
  const leads = (task: TaskId): boolean => sessionOf(task) === task
  const newborns: Newborns = new Map()
  bear(newborns, undefined, false, { leads: leads(root.pid) }, root.pid)
  for (const from of newborns.values()) {
    // The parent in the end; a leader that is gone stays with whoever clones it.
    const parentOf = (task: TaskId): TaskId => members.get(task)?.ppid ?? from.task
    const born = children.get(from.task) ?? []
    // A leader that is gone can hand children on to one parent by its own end, which comes after that of all helpers below it.
    if (from.helper) from.adopter ??= born.map(parentOf).find((parent) => parent !== from.task)
    const helpers = new Map<string, Newborn>()
    const helperFor = (adopter: TaskId, early: boolean): Newborn => {
      const key = `${adopter} ${early}`
      const found = helpers.get(key) ?? bear(newborns, from, early, { helper: true })
      found.adopter = adopter
      helpers.set(key, found)
      return found
    }
    for (const task of born) {
      const [parent, early] = [parentOf(task), lineage.get(task)?.early === true]
      const kind = { leads: leads(task), helper: !members.has(task) }
      if (parent === from.task || parent === from.adopter) bear(newborns, from, early, kind, task)
      else bear(newborns, helperFor(parent, early), false, kind, task)
    }
  }
  return newborns
}
