import { KCMP } from "../../ffi/abi/file.ts"
import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { failuresOf, runAll } from "../base/all.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import { stepAside } from "./aside.ts"
import type { FrozenProcess } from "./frozen.ts"
import { compareObjects } from "./kcmp.ts"
import { abandon, attach, beginSeizure, readFrozen, type Seizure, settle, stopAll, type TaskLists } from "./seize.ts"
import { isSuspended } from "./vfork.ts"
import { checkDeadline, type Deadline } from "./wait.ts"

const log = logger("freeze")

/** How a tree is found while it is being stopped. */
export interface TreeLists extends TaskLists {
  /** PIDs of the children that a process has at this moment, oldest first; [] when it is gone. */
  children(pid: number): readonly number[]
}

/** A zombie of the tree: nothing is left of it but its exit status. */
interface DeadProcess {
  readonly pid: number
  readonly ppid: number
}

/** A process of the tree: one in our hands, or a zombie. */
export type TreeMember = { readonly ppid: number; readonly frozen: FrozenProcess } | { readonly ppid: number; readonly dead: DeadProcess }

/** Every process of a tree, stopped by us. Disposal puts all of them back and lets them run, children before their parents. */
export interface FrozenTree extends Disposable {
  readonly root: number
  /** Living processes, parents before their children, siblings by age. */
  readonly processes: readonly FrozenProcess[]
  readonly dead: readonly DeadProcess[]
  /** Members in that order; the root's parent is 0. */
  readonly members: readonly TreeMember[]
  /** performance.now() of the first interruption, in ms. */
  readonly frozenAt: number
}

/** True for what has ended and waits for its parent. */
const isZombie = (pid: number): boolean => readStatusIfAlive(pid)?.state === "Z"

/** What is known of a tree while it is being stopped. */
interface Search {
  readonly living: Map<number, Seizure>
  readonly dead: Set<number>
  readonly traceOptions: number
}

const begin = (pid: number, search: Search, lists: TreeLists): Seizure =>
  beginSeizure(pid, () => relieve(pid, search, lists), search.traceOptions)

/**
 * A parent that is suspended by vfork comes to its stop when its child has executed a program or ended: what we hold of its children may go
 * on till then, and is met again by the next walk.
 */
function relieve(parent: number, search: Search, lists: TreeLists): void {
  for (const pid of lists.children(parent)) {
    const seizure = search.living.get(pid)
    if (!seizure || compareObjects(parent, pid, KCMP.VM) !== 0) continue
    if (isSuspended(pid, pid)) {
      relieve(pid, search, lists)
      continue
    }
    search.living.delete(pid)
    abandon(seizure)
  }
}

/** Looks at one process that was met: stops all its threads, or finds that it is a zombie, or gone. */
function meet(pid: number, search: Search, deadline: Deadline, lists: TreeLists): void {
  const { living, dead } = search
  const seizure = living.get(pid) ?? begin(pid, search, lists)
  living.set(pid, seizure)
  stopAll(seizure, deadline, lists)
  if (seizure.seized.has(pid)) return
  // A leader that has ended while its threads live on looks like a zombie too: `readFrozen` says so.
  if (seizure.seized.size > 0) return
  living.delete(pid)
  if (isZombie(pid)) dead.add(pid)
}

/**
 * Walks down the tree, stopping what it meets.
 *
 * @returns the members with their parents, parents first; undefined when something new was met, so that the walk has to be made again
 */
function walk(root: number, search: Search, deadline: Deadline, lists: TreeLists): Map<number, number> | undefined {
  const parents = new Map([[root, 0]])
  let fresh = false
  for (const [pid] of parents) {
    if (!search.living.has(pid) && !search.dead.has(pid)) {
      meet(pid, search, deadline, lists)
      fresh = true
    }
    if (search.living.has(pid)) for (const child of lists.children(pid)) if (!parents.has(child)) parents.set(child, pid)
  }
  return fresh ? undefined : parents
}

/** Walks until a walk meets nothing new. @throws CheckpointError E_NO_PROCESS the root ended · E_TIMEOUT */
function walkToEnd(root: number, search: Search, deadline: Deadline, lists: TreeLists): Map<number, number> {
  for (;;) {
    const parents = walk(root, search, deadline, lists)
    if (parents) return parents
    expectLiving(root, search)
    checkDeadline(deadline, `the freeze of the tree of process ${root}`, () => ({
      found: "new processes still appear",
      next: "Freeze its cgroup first (--freeze-cgroup)",
    }))
  }
}

/** Brings threads out of the vdso. @returns whether any ran, so that the tree must be walked again */
function bringAside({ living }: Search, deadline: Deadline, lists: TreeLists): boolean {
  const ran = stepAside(living.values(), deadline, lists)
  // Who ended meanwhile is met anew, as a zombie or as nobody.
  for (const [pid, { seized }] of living) if (seized.size === 0) living.delete(pid)
  return ran
}

/** Attaches to the whole tree before anything in it is waited for: only where nothing in it moves. */
function attachAll(root: number, { living, traceOptions }: Search, lists: TreeLists): void {
  const met = new Set([root])
  for (const pid of met) {
    const seizure = living.get(pid) ?? beginSeizure(pid, undefined, traceOptions)
    living.set(pid, seizure)
    attach(seizure, lists)
    for (const child of lists.children(pid)) met.add(child)
  }
}

/** The members in pre-order: a parent, then each child with all that is below it. */
function preOrder(root: number, parents: ReadonlyMap<number, number>): number[] {
  const children = Map.groupBy(parents.keys(), (pid) => parents.get(pid) ?? 0)
  const order: number[] = []
  const stack = [root]
  for (let pid = stack.pop(); pid !== undefined; pid = stack.pop()) {
    order.push(pid)
    stack.push(...(children.get(pid) ?? []).reverse())
  }
  return order
}

/** Reads the state of all that is stopped, parents before their children. @throws CheckpointError as `readFrozen` */
function readMembers(root: number, parents: ReadonlyMap<number, number>, { living, dead }: Search, frozenAt: number): TreeMember[] {
  return preOrder(root, parents).flatMap((pid): TreeMember[] => {
    const ppid = parents.get(pid) ?? 0
    const seizure = living.get(pid)
    if (seizure) return [{ ppid, frozen: readFrozen(seizure, frozenAt) }]
    return dead.has(pid) ? [{ ppid, dead: { pid, ppid } }] : []
  })
}

/** How a tree is stopped where it is not the usual way. */
interface FreezeOptions {
  /** Ends a freeze by cgroup, in which no task reports a stop: called when the whole tree is asked to stop. */
  readonly thaw?: (() => void) | undefined
  /** As of `FrozenProcess`. */
  readonly traceOptions?: number
}

/**
 * Stops every thread of every process of a tree, those included that appear meanwhile: the tree is walked until a walk meets nothing new.
 *
 * @param known PIDs that were members a moment ago: they are stopped first, all at once
 * @throws CheckpointError E_TRACED · E_PERMISSION · E_NO_PROCESS the root · E_TIMEOUT · E_INTERRUPTED; every thread runs on then
 *
 * A process whose parent ends before it was met is out of reach: it belongs to init, or to a subreaper outside the tree.
 * Kernel: fs/proc/array.c children_seq_show(), exact while all children are stopped. Precondition: as seizeProcess.
 */
export function freezeTree(
  root: number,
  known: readonly number[],
  deadline: Deadline,
  lists: TreeLists,
  { thaw, traceOptions = PTRACE_O.TRACESYSGOOD }: FreezeOptions = {},
): FrozenTree {
  const search: Search = { living: new Map(), dead: new Set(), traceOptions }
  const frozenAt = performance.now()
  let members: readonly TreeMember[]
  try {
    for (const pid of [root, ...known]) {
      if (search.living.has(pid)) continue
      const seizure = begin(pid, search, lists)
      search.living.set(pid, seizure)
      attach(seizure, lists)
    }
    if (thaw) {
      attachAll(root, search, lists)
      thaw()
    }
    for (const seizure of search.living.values()) settle(seizure, deadline)
    for (const pid of [...search.living.keys()]) meet(pid, search, deadline, lists)
    const first = walkToEnd(root, search, deadline, lists)
    // What new threads and processes do is theirs: this is done once.
    const parents = bringAside(search, deadline, lists) ? walkToEnd(root, search, deadline, lists) : first
    expectLiving(root, search)
    dropStrangers(search, parents)
    members = readMembers(root, parents, search, frozenAt)
  } catch (error) {
    // Children first: a parent that is suspended by vfork cannot be let go before its child.
    for (const failure of failuresOf([...search.living.values()].reverse(), abandon)) log.error(`the tree of task ${root}: ${failure}`)
    throw error
  }
  log.debug(`froze the tree of task ${root}: ${members.length} processes`)
  const processes = members.flatMap((member) => ("frozen" in member ? [member.frozen] : []))
  return {
    root,
    processes,
    dead: members.flatMap((member) => ("dead" in member ? [member.dead] : [])),
    members,
    frozenAt,
    [Symbol.dispose]() {
      // Children first, whom their parents would see traced.
      runAll(
        processes.toReversed(),
        (process) => process[Symbol.dispose](),
        (failure) => log.error(`the tree of task ${root}: ${failure}`),
      )
    },
  }
}

/** A root that has ended and that its parent has waited for would be met anew by every walk. @throws CheckpointError E_NO_PROCESS */
function expectLiving(root: number, { living }: Search): void {
  if (living.has(root)) return
  throw new CheckpointError(
    "E_NO_PROCESS",
    `Cannot seize task ${root}`,
    "it ended while it was being frozen",
    "Look for its successor with ps",
  )
}

/** Lets go of what was a member a moment ago and is none any more. */
function dropStrangers({ living }: Search, parents: ReadonlyMap<number, number>): void {
  for (const [pid, seizure] of living) {
    if (parents.has(pid)) continue
    abandon(seizure)
    living.delete(pid)
  }
}
