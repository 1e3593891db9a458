import { OUTSIDE, type Places } from "./places.ts"

/**
 * A moment in a task's life, as a place that others are born below. A session's leader has two: "before" its setsid, when its children are
 * born into the session it came from, and "after" it. Everyone else has one, "plain".
 */
export interface Moment {
  readonly task: number
  readonly state: "plain" | "before" | "after"
  /** Session of children born here. For "before" it follows from where that is placed, and is not known yet. */
  readonly session: number | undefined
  /** Moments that must be ancestors of this one by birth, and the mirror of it. */
  readonly above: Moment[]
  readonly below: Moment[]
  /** Where it was placed. */
  parent: Moment | undefined
  /** Set of the search that it is in. */
  mark: number
}

/** All moments of a tree: where each task is born, and what it is at last. The same one for tasks that lead no session. */
export interface Moments {
  readonly root: Moment
  readonly first: ReadonlyMap<number, Moment>
  readonly last: ReadonlyMap<number, Moment>
}

const moment = (task: number, state: Moment["state"], session?: number): Moment => ({
  task,
  state,
  session,
  above: [],
  below: [],
  parent: undefined,
  mark: 0,
})

function order(upper: Moment | undefined, lower: Moment | undefined): void {
  if (!upper || !lower || lower.above.includes(upper)) return
  lower.above.push(upper)
  upper.below.push(lower)
}

/**
 * The moments of a tree, and which must be above which. Two rules of the kernel decide it.
 *
 * A process is born into its parent's session, so all of a session descend by birth from its leader's setsid, with no other setsid between.
 * And when a parent dies its children go to an ancestor, so the parent that a process has now is among its ancestors by birth.
 * Authority: kernel/sys.c ksys_setsid(), kernel/fork.c copy_process(), kernel/exit.c find_new_reaper()
 */
export function orderMoments({ root, members, gone, sessionOf }: Places): Moments {
  const [first, last] = [new Map<number, Moment>(), new Map<number, Moment>()]
  for (const task of [...members.keys(), ...gone]) {
    const leads = sessionOf(task) === task
    const birth = leads ? moment(task, "before") : moment(task, "plain", sessionOf(task))
    first.set(task, birth)
    last.set(task, leads ? moment(task, "after", task) : birth)
    if (leads) order(birth, last.get(task))
  }
  for (const { pid, ppid } of members.values()) {
    const [child, parent] = [first.get(pid), first.get(ppid)]
    order(parent, child)
    if (child?.session === undefined || child.session === OUTSIDE) continue
    // Of the session's own below its leader it is enough that the topmost are.
    if (parent?.session !== child.session) order(last.get(child.session), child)
    // Two ancestors of one process are never side by side, and a parent that never was in this session cannot be below its leader.
    // The search would find out by trying; said here, most trees need no search.
    if (parent?.state === "plain" && parent.session !== child.session) order(parent, first.get(child.session))
  }
  const top = first.get(root.pid)
  if (!top) throw new Error("Unreachable: a root that is no member")
  return { root: top, first, last }
}
