import { pause } from "../../../ffi/interrupt.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { readStatIfAlive } from "../../proc/stat.ts"
import { readStatusIfAlive } from "../../proc/status.ts"
import { readSysctl } from "../../proc/sysctl.ts"
import { listProcesses } from "../../proc/tasks.ts"
import { lateEnd } from "../../tracee/late.ts"
import type { Keeper } from "../../tracee/seed.ts"
import { checkDeadline, type Deadline } from "../../tracee/wait.ts"
import type { SavedTree } from "../images.ts"

/** PIDs of a tree, those of zombies included. */
export const pidsOf = ({ processes, dead }: Pick<SavedTree, "processes" | "dead">): Set<number> =>
  new Set([...processes, ...dead].map(({ tree }) => tree.pid))

const END_OR_NAMESPACE = "End that process, or restore in a PID namespace of its own"
const isDying = (state: string): boolean => state === "Z" || state === "X"

/** Who has an ID. */
interface Owner {
  readonly name: string
  readonly dying: boolean
  /** It is the tool. */
  readonly ours: boolean
}

/** Who has a PID or thread ID now; undefined when it is free. */
function ownerOf(tid: number): Owner | undefined {
  const status = readStatusIfAlive(tid)
  if (!status) return undefined
  const name = status.tgid === tid ? `process ${tid} "${status.name}"` : `thread ${tid} "${status.name}" of process ${status.tgid}`
  return { name, dying: isDying(status.state), ours: status.tgid === process.pid }
}

/** An ID that a restore needs, and the process that it is needed for. */
interface WantedId {
  readonly id: number
  readonly pid: number
  readonly what: string
}

/** @param helpers short-lived processes of the plan: some must have the id of a session or group whose leader is gone */
const wantedIds = ({ root, processes, dead }: SavedTree, helpers: BirthPlan["helpers"]): WantedId[] => [
  ...processes.flatMap(({ tree: { pid, threads } }) => threads.map((id) => ({ id, pid, what: id === pid ? "PID" : "thread ID" }))),
  ...dead.map(({ tree: { pid } }) => ({ id: pid, pid, what: "PID" })),
  ...helpers.flatMap(({ task, parent }) => (task > 0 ? [{ id: task, pid: parent, what: "the id of a session or group" }] : [])),
  ...[...new Set(root.files.departed.values())].map((id) => ({ id, pid: root.tree.pid, what: "the PID of an ended process" })),
]

/** In a fresh container the first PIDs are the tool's and its threads', and were the program's. Man page: pid_namespaces(7), ns_last_pid */
const giveOther = (last: number): string => `Give stasis a higher PID: echo ${last} >/proc/sys/kernel/ns_last_pid, then restore again`

/** @param last highest ID of the tree */
const taken = ({ id, pid, what }: WantedId, owner: Pick<Owner, "name" | "ours">, last: number): CheckpointError =>
  new CheckpointError(
    "E_PID_TAKEN",
    `Cannot restore process ${pid}`,
    owner.ours ? `${what} ${id} is one that stasis itself has now` : `${what} ${id} belongs to ${owner.name}`,
    owner.ours ? giveOther(last) : END_OR_NAMESPACE,
  )

const highest = (wanted: readonly WantedId[]): number => Math.max(...wanted.map(({ id }) => id))

/** A process that keeps an ID from being given although nobody has it. */
interface IdKeeper {
  readonly id: number
  /** The session or group, and the process in it. */
  readonly name: string
  readonly dying: boolean
  /** The process whose end would free it. */
  readonly member: number
}

/**
 * Who stands behind IDs without an owner: an ID is not free while somebody is in the session or group that its last owner led.
 * Looks at every process.
 *
 * @param ours processes that may be in them
 */
function* keepersBehind(ids: ReadonlySet<number>, ours: ReadonlySet<number>): Generator<IdKeeper> {
  for (const pid of listProcesses()) {
    const stat = ours.has(pid) ? undefined : readStatIfAlive(pid)
    if (!stat) continue
    for (const [what, id] of [["session", stat.session] as const, ["process group", stat.pgrp] as const])
      if (ids.has(id))
        yield { id, name: `${what} ${id}, which still has process ${pid} "${stat.comm}" in it`, dying: isDying(stat.state), member: pid }
  }
}

/** Who keeps an ID from the root of a tree, or from a stand-in: nothing of the tree exists yet. */
export function keeperOf(id: number): Keeper {
  const owner = ownerOf(id)
  if (owner) return { ...owner, late: () => lateEnd(id) }
  const keepers = [...keepersBehind(new Set([id]), new Set())]
  const keeper = keepers.find(({ dying }) => !dying) ?? keepers[0]
  if (keeper) return { ...keeper, late: () => lateEnd(keeper.member) }
  return { name: "a process that just ended", dying: true, late: () => lateEnd(id) }
}

/** Every taken ID with its owner or who else keeps it, as CheckpointErrors E_PID_TAKEN. Those of the dying count as free. */
export function takenIds(saved: SavedTree, helpers: BirthPlan["helpers"]): CheckpointError[] {
  const wanted = wantedIds(saved, helpers)
  const owners = new Map(wanted.map(({ id }) => [id, ownerOf(id)]))
  const ownerless = new Set(wanted.flatMap(({ id }) => (owners.get(id) ? [] : [id])))
  const keepers = Map.groupBy(keepersBehind(ownerless, new Set(wanted.map(({ id }) => id))), ({ id }) => id)
  return wanted.flatMap((one) => {
    const other = keepers.get(one.id)?.find(({ dying }) => !dying)
    const keeper = owners.get(one.id) ?? (other && { ...other, ours: false })
    return keeper && !keeper.dying ? [taken(one, keeper, highest(wanted))] : []
  })
}

/** What `checkIdsFree` would wait for, in words: IDs of processes that have ended, and who has still to take notice of each. */
export const dyingIds = (saved: SavedTree, helpers: BirthPlan["helpers"]): string[] =>
  wantedIds(saved, helpers).flatMap(({ id, what }) => {
    const owner = ownerOf(id)
    return owner?.dying ? [`${what} ${id}, which belongs to ${owner.name}: ${lateEnd(id).found}`] : []
  })

/**
 * Finds taken IDs before anything is created. Those of the dying are waited for: a killed process keeps its PID until its parent reaps
 * it, and the children of a killed tree wait for init.
 *
 * @throws CheckpointError E_PID_TAKEN · E_TIMEOUT · E_INTERRUPTED
 */
export function checkIdsFree(saved: SavedTree, helpers: BirthPlan["helpers"], deadline: Deadline): void {
  const all = wantedIds(saved, helpers)
  for (const wanted of all) {
    let owner = ownerOf(wanted.id)
    for (; owner?.dying; owner = ownerOf(wanted.id)) {
      checkDeadline(deadline, `the wait for ${wanted.what} ${wanted.id}, which belongs to ${owner.name}`, () => lateEnd(wanted.id))
      pause(2)
    }
    if (owner) throw taken(wanted, owner, highest(all))
  }
}

/** What stands behind a clone3 in the middle of a tree that answered EEXIST. */
export function heldId(saved: SavedTree, helpers: BirthPlan["helpers"], cause: unknown): CheckpointError {
  const ids = new Set(wantedIds(saved, helpers).map(({ id }) => id))
  const action = `Cannot restore process ${saved.root.tree.pid}`
  for (const { id, name } of keepersBehind(ids, ids))
    return new CheckpointError("E_PID_TAKEN", action, `ID ${id} is kept by ${name}`, END_OR_NAMESPACE, cause)
  const next = "Look for its owner with ps, and restore again when it has ended"
  return new CheckpointError("E_PID_TAKEN", action, "an id of it was taken meanwhile", next, cause)
}

/**
 * PIDs for processes that live only while the tree is made: none that the images want, none that a task has now.
 *
 * @throws CheckpointError E_RESTORE there are not enough of them
 */
export function sparePids(count: number, wanted: ReadonlySet<number>): number[] {
  const found: number[] = []
  for (let id = pidMax() - 1; id > 1 && found.length < count; id--) if (!wanted.has(id) && !ownerOf(id)) found.push(id)
  if (found.length === count) return found
  throw new CheckpointError("E_RESTORE", "Cannot restore this process tree", "no free PID is left", "Raise kernel.pid_max")
}

/** PIDs are below this. Documentation/admin-guide/sysctl/kernel.rst */
const pidMax = (): number => readSysctl("kernel/pid_max", 32768)
