/**
 * A task of a plan: the PID of a process of the images; the id of a session or group whose leader is gone, for the short-lived process
 * that stands in for it; or a negative number, for a short-lived process whose PID is anyone's.
 */
export type TaskId = number

/** One thing a task does, in its own name. */
export type Act =
  /** setsid(): leads a session and a group of its own from here on. */
  | { readonly act: "setsid" }
  /** clone3() with set_tid = `child` where that is positive. The child is born into the caller's session and group of that moment. */
  | { readonly act: "clone"; readonly child: TaskId }
  /** prctl(PR_SET_CHILD_SUBREAPER, on). */
  | { readonly act: "subreaper"; readonly on: boolean }
  /** setpgid(0, pgid); for a group's own leader `pgid` is its PID. "outside": the group that the root was born into. */
  | { readonly act: "setpgid"; readonly pgid: number | "outside" }
  /** A short-lived process ends. Its children go to the only subreaper above it. */
  | { readonly act: "exit" }
  /** Waits for a short-lived child that has exited in an earlier round. */
  | { readonly act: "reap"; readonly child: TaskId }
  /** A process that was dead in the images ends, and stays a zombie: nobody waits for it. */
  | { readonly act: "die" }

/** What tasks do at the same time, each its acts in order. The next round begins when all are done. */
export type Round = ReadonlyMap<TaskId, readonly Act[]>

/** A short-lived process that no image knows. */
interface Helper {
  /** Positive: the PID it must have. */
  readonly task: TaskId
  /** Who clones it, and later waits for it. */
  readonly parent: TaskId
}

/** How a process tree comes into being, once its root has been cloned into the session and group of whoever restores. */
export interface BirthPlan {
  /** Births, sessions and adoptions. The first round holds the root's acts alone, if it has any. */
  readonly rounds: readonly Round[]
  /** Process groups, when all are born: leaders, members, those who leave a group they led, then the end of the last helpers. */
  readonly groups: readonly Round[]
  /** The end of all that are dead in the images; after everything else that needs them. */
  readonly deaths: Round
  readonly helpers: readonly Helper[]
}

/** A process of the images, as far as its place in the tree goes. */
export interface Member {
  readonly pid: number
  /** 0 for the root. */
  readonly ppid: number
  readonly pgid: number
  readonly sid: number
  /** A zombie: it has no children, but a session and a group. */
  readonly dead: boolean
}

/** Who clones each task. */
export const clonersOf = ({ rounds }: Pick<BirthPlan, "rounds">): Map<TaskId, TaskId> =>
  new Map(
    rounds.flatMap((round) =>
      [...round].flatMap(([task, acts]) => acts.flatMap((act): [TaskId, TaskId][] => (act.act === "clone" ? [[act.child, task]] : []))),
    ),
  )

/** Tasks that make their memory before they clone, so that these can inherit it. @param heirs who inherits */
export const earlyTasks = (heirs: Iterable<TaskId>, cloners: ReadonlyMap<TaskId, TaskId>): Set<TaskId> =>
  new Set([...heirs].flatMap((heir) => cloners.get(heir) ?? []))

/** The nearest task above that had its memory when it cloned; undefined = there is none. @param early see `earlyTasks` */
export function bornFrom(task: TaskId, cloners: ReadonlyMap<TaskId, TaskId>, early: ReadonlySet<TaskId>): TaskId | undefined {
  for (let at = cloners.get(task); at !== undefined; at = cloners.get(at)) if (early.has(at)) return at
  return undefined
}
