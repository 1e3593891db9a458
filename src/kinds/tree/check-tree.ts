import type { pstree_entry } from "../../../proto/gen/pstree_pb.ts"
import { damagedImage } from "../../base/errors.ts"

/** PIDs, and so ids of sessions and groups, stay below this. Authority: include/linux/threads.h PID_MAX_LIMIT */
const PID_LIMIT = 4_194_304

/**
 * Refuses a pstree.img that describes no tree of processes. Entries may come in any order.
 *
 * Session or group 0 has its leader outside the PID namespace: the tree has it from its root. Authority: pid_namespaces(7)
 *
 * @param dead PIDs of zombies: their one thread id is garbage in CRIU's images and not looked at. Authority: REFERENCE 2.1
 * @throws CheckpointError E_IMAGE_CORRUPT
 */
export function checkTree(entries: readonly pstree_entry[], dead: ReadonlySet<number>): void {
  const found = complaint(entries, dead)
  if (found) throw damagedImage("Cannot restore this process tree", found)
}

/** The first thing wrong with a tree. */
function complaint(entries: readonly pstree_entry[], dead: ReadonlySet<number>): string | undefined {
  if (entries.length === 0) return "pstree.img has no entry"
  const root = entries.find(({ ppid }) => ppid === 0)
  for (const { pid, ppid, pgid, sid, threads } of entries) {
    const alive = dead.has(pid) ? [] : threads
    const places = [...(sid === 0 && root?.sid === 0 ? [] : [sid]), ...(pgid === 0 && root?.pgid === 0 ? [] : [pgid])]
    const bad = [pid, ...places, ...alive].find((id) => !isId(id))
    if (bad !== undefined) return `process ${pid} has the id ${bad}, ids are from 1 to ${PID_LIMIT - 1}`
    if (ppid !== 0 && !isId(ppid)) return `process ${pid} has the parent ${ppid}, ids are from 1 to ${PID_LIMIT - 1}`
    if (!dead.has(pid) && threads[0] !== pid) return `the threads of process ${pid} are ${threads.join(", ") || "missing"}`
  }
  return repeatedId(entries, dead) ?? brokenLine(entries)
}

const isId = (id: number): boolean => Number.isInteger(id) && id > 0 && id < PID_LIMIT

/** Ids of processes and threads are of one kind, and a thread's cannot be that of a session or group. */
function repeatedId(entries: readonly pstree_entry[], dead: ReadonlySet<number>): string | undefined {
  const owners = new Map<number, number>()
  for (const { pid, threads } of entries)
    for (const id of dead.has(pid) ? [pid] : threads) {
      const other = owners.get(id)
      if (other !== undefined) return `process ${pid} has the id ${id}, which ${other === pid ? "it" : `process ${other}`} has too`
      owners.set(id, pid)
    }
  for (const { pid, pgid, sid } of entries)
    for (const [id, what] of [
      [pgid, "group"],
      [sid, "session"],
    ] as const) {
      const owner = owners.get(id)
      if (owner !== undefined && owner !== id) return `process ${pid} is in ${what} ${id}, which is a thread of process ${owner}`
    }
  return undefined
}

/** Every process must descend from the only root. */
function brokenLine(entries: readonly pstree_entry[]): string | undefined {
  const parents = new Map(entries.map(({ pid, ppid }) => [pid, ppid]))
  const roots = entries.filter(({ ppid }) => ppid === 0).map(({ pid }) => pid)
  if (roots.length > 1) return `processes ${roots.join(" and ")} have no parent, a tree has one root`
  const orphan = entries.find(({ ppid }) => ppid !== 0 && !parents.has(ppid))
  if (orphan) return `process ${orphan.pid} has the parent ${orphan.ppid}, which is not in the tree`
  const rooted = new Set<number>(roots)
  for (const { pid } of entries) {
    const trail = new Set<number>()
    for (let at = pid; !rooted.has(at); at = parents.get(at) ?? 0) {
      if (trail.has(at)) return `process ${pid} descends from itself, through ${[...trail].join(", ")}`
      trail.add(at)
    }
    for (const one of trail) rooted.add(one)
  }
  return undefined
}
