import type { cg_set_entry, cgroup_entry } from "../../../proto/gen/cgroup_pb.ts"
import { type Cgroup, readCgroups } from "../../proc/cgroup.ts"
import { collectControllers, type Saving } from "./directories.ts"
import { type Hierarchy, isMeant, nameOf } from "./hierarchy.ts"

/** Set of the dumping program itself, which is not listed. Authority: REFERENCE 6.3 */
export const OWN_SET = 1

/** What of the cgroups a dump saves. */
export interface CgroupSaving extends Saving {
  /** Hierarchies that are saved; all unless given. */
  readonly only: readonly string[]
}

/** Cgroups of all dumped threads. */
export interface CollectedCgroups {
  /** Set of a thread. @throws Error of a thread that was not collected */
  setOf(tid: number): number
  /** The content of cgroup.img; undefined when every thread is where the tool is. Reads the directories. */
  entry(): cgroup_entry | undefined
}

/** Members of a set: by name, as CRIU sorts them. `inside` are the same memberships as the thread's own cgroup namespace shows them. */
function membersOf(memberships: readonly Cgroup[], only: readonly string[], inside: readonly Cgroup[] | undefined): cg_set_entry["ctls"] {
  return memberships
    .filter((membership) => only.length === 0 || only.some((option) => isMeant(option, nameOf(membership))))
    .map((membership) => {
      const seen = inside?.find((other) => nameOf(other) === nameOf(membership))?.path
      const prefix = seen === undefined ? 0 : hiddenPrefix(membership.path, seen)
      return { name: nameOf(membership), path: membership.path, ...(prefix > 0 ? { cgns_prefix: prefix } : {}) }
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Bytes of a path that a cgroup namespace hides, which sees `inside`. Man page: cgroup_namespaces(7) */
export function hiddenPrefix(path: string, inside: string): number {
  if (inside === "/") return path === "/" ? 0 : Buffer.byteLength(path)
  return path.endsWith(inside) ? Buffer.byteLength(path) - Buffer.byteLength(inside) : 0
}

/** Gives each combination of cgroups an id, the tool's own the first. */
export function collectSets(
  threads: ReadonlyMap<number, { readonly cgroups: readonly Cgroup[]; readonly inside?: readonly Cgroup[] }>,
  own: readonly Cgroup[],
  only: readonly string[],
): { setOf: ReadonlyMap<number, number>; sets: cg_set_entry[] } {
  const known = new Map([[JSON.stringify(membersOf(own, only, undefined)), OWN_SET]])
  const sets: cg_set_entry[] = []
  const setOf = new Map<number, number>()
  // Threads whose files say the same have the same memberships, see `readCgroups`.
  const met = new Map<readonly Cgroup[], number>()
  for (const [tid, { cgroups, inside }] of threads) {
    const before = inside ? undefined : met.get(cgroups)
    if (before !== undefined) {
      setOf.set(tid, before)
      continue
    }
    const ctls = membersOf(cgroups, only, inside)
    const key = JSON.stringify(ctls)
    const id = known.get(key) ?? OWN_SET + known.size
    if (!known.has(key)) sets.push({ id, ctls })
    known.set(key, id)
    setOf.set(tid, id)
    if (!inside) met.set(cgroups, id)
  }
  return { setOf, sets }
}

/**
 * Reads the cgroups of all threads of a tree. The directories are read later, by `entry`, for which nothing needs to be frozen.
 *
 * @param own memberships of the tool
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION
 * Precondition: the threads are stopped. Mirror: ./restore.ts
 */
export function collectCgroups(
  tasks: readonly { readonly pid: number; readonly tids: readonly number[]; readonly inside?: readonly Cgroup[] }[],
  own: readonly Cgroup[],
  hierarchies: readonly Hierarchy[],
  saving: CgroupSaving,
): CollectedCgroups {
  const threads = new Map(
    tasks.flatMap(({ pid, tids, inside }) =>
      tids.map((tid) => [tid, { cgroups: readCgroups(pid, tid), ...(inside ? { inside } : {}) }] as const),
    ),
  )
  const { setOf, sets } = collectSets(threads, own, saving.only)
  return {
    setOf(tid) {
      const id = setOf.get(tid)
      if (id === undefined) throw new Error(`Unreachable: the cgroups of thread ${tid} were not read`)
      return id
    },
    entry: () => (sets.length === 0 ? undefined : { sets, controllers: collectControllers(sets, own, hierarchies, saving) }),
  }
}
