import type { cgroup_dir_entry, cgroup_entry, cgroup_perms, cgroup_prop_entry } from "../../../proto/gen/cgroup_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import type { Cgroup } from "../../proc/cgroup.ts"
import { type CgroupRoot, rootFor } from "./directories.ts"
import { directoryOf, type Hierarchy, isWithin, nameOf } from "./hierarchy.ts"

/** A directory that tasks need. */
export interface PlannedDirectory {
  readonly directory: string
  /** The image holds this directory; others are only on the way to one. */
  readonly saved: boolean
  /** The tool is in it or below it: it exists in any case. */
  readonly isOurs: boolean
  readonly hierarchy: Hierarchy
  readonly perms: cgroup_perms | undefined
  readonly properties: readonly cgroup_prop_entry[]
}

/** A cgroup that a task is moved to. */
export interface CgroupPlace {
  readonly directory: string
  readonly version: 1 | 2
}

/** What a restore does about cgroups. */
export interface CgroupPlan {
  /** Parents first. */
  readonly directories: readonly PlannedDirectory[]
  /** Where the tasks of each set go; hierarchies in which all of them are where the tool is are left out. */
  readonly places: ReadonlyMap<number, readonly CgroupPlace[]>
}

/** What a restore finds. */
export interface CgroupFacts {
  /** Memberships of the tool, which new tasks inherit. */
  readonly own: readonly Cgroup[]
  readonly hierarchies: readonly Hierarchy[]
}

const ACTION = "Cannot restore the cgroups"

/**
 * Turns cgroup.img into directories and places. Mirror: ./collect.ts
 *
 * @param rootSet set of the tree's root: --cgroup-root replaces its paths
 * @param wanted sets of all threads; those that are not listed are the dumping program's, and need nothing
 * @param ownSet root_cg_set of the inventory
 * @throws CheckpointError E_IMAGE_CORRUPT an unknown set · E_RESTORE a hierarchy or root that does not fit
 */
export function planCgroups(
  { sets, controllers }: cgroup_entry,
  { rootSet, wanted, ownSet }: { rootSet: number; wanted: ReadonlySet<number>; ownSet: number },
  roots: readonly CgroupRoot[],
  { own, hierarchies }: CgroupFacts,
): CgroupPlan {
  const rootPaths = new Map(sets.find(({ id }) => id === rootSet)?.ctls.map(({ name, path }) => [name, path]))
  const moved = (name: string, path: string): string => {
    const root = rootFor(roots, name)
    return root === undefined ? path : rebase(path, rootPaths.get(name) ?? "/", root)
  }
  const directories = new Map<string, PlannedDirectory>()
  const add = (hierarchy: Hierarchy, path: string, entry: cgroup_dir_entry | undefined): void => {
    const mine = own.find((membership) => nameOf(membership) === hierarchy.name)?.path
    for (const above of ancestorsOf(path)) addOne(directories, hierarchy, above, mine, undefined)
    addOne(directories, hierarchy, path, mine, entry)
    for (const child of entry?.children ?? []) add(hierarchy, join(path, child.dir_name), child)
  }
  for (const { cnames, dirs } of controllers) {
    const hierarchy = hierarchyOf(hierarchies, cnames.join(","))
    if (hierarchy?.point !== undefined) for (const dir of dirs) add(hierarchy, moved(hierarchy.name, `/${dir.dir_name}`), dir)
  }
  const targets = new Map<number, Map<string, string>>()
  for (const id of wanted) {
    if (id === 0 || id === ownSet) continue
    const set = sets.find((candidate) => candidate.id === id)
    if (!set) throw damagedImage(ACTION, `cgroup set ${id} is not in cgroup.img`)
    targets.set(id, new Map(set.ctls.map(({ name, path }) => [sorted(name), moved(name, path)])))
  }
  const home = new Map(own.map((membership) => [sorted(nameOf(membership)), membership.path]))
  // A set that leads back to where the tool is matters as soon as another one leads away.
  const away = new Set(
    [...targets.values()].flatMap((paths) => [...paths].flatMap(([name, path]) => (home.get(name) === path ? [] : [name]))),
  )
  const placesOf = (paths: ReadonlyMap<string, string>): CgroupPlace[] =>
    [...away].flatMap((name) => {
      const path = paths.get(name) ?? home.get(name)
      if (path === undefined) return []
      const { hierarchy, directory } = placeOf(name, path, hierarchies)
      if (paths !== home) add(hierarchy, path, undefined)
      return [{ directory, version: hierarchy.controllers.length === 0 ? 2 : 1 } as const]
    })
  const places = new Map([...wanted].filter((id) => id !== 0).map((id) => [id, placesOf(targets.get(id) ?? home)] as const))
  return { directories: [...directories.values()], places }
}

/** Where a member of a set is here. */
function placeOf(name: string, path: string, hierarchies: readonly Hierarchy[]): { hierarchy: Hierarchy; directory: string } {
  const hierarchy = hierarchyOf(hierarchies, name)
  const directory = hierarchy && directoryOf(hierarchy, path)
  if (!directory)
    throw new CheckpointError(
      "E_RESTORE",
      ACTION,
      `the hierarchy "${name || "cgroup2"}" of ${path} ${hierarchy ? "is not mounted" : "does not exist here"}`,
      "Mount it, or restore with --manage-cgroups=ignore",
    )
  return { hierarchy, directory }
}

/** Controllers may be mounted together in another order. */
const hierarchyOf = (hierarchies: readonly Hierarchy[], name: string): Hierarchy | undefined =>
  hierarchies.find((hierarchy) => sorted(hierarchy.name) === sorted(name))
const sorted = (name: string): string => name.split(",").sort().join(",")
const join = (path: string, name: string): string => (path === "/" ? `/${name}` : `${path}/${name}`)

/** A path below another root. @throws CheckpointError E_RESTORE the path is not below the old one */
export function rebase(path: string, from: string, to: string): string {
  if (!isWithin(path, from))
    throw new CheckpointError(
      "E_RESTORE",
      ACTION,
      `${path} is not below ${from}, where the root task was, so --cgroup-root ${to} does not tell where it belongs`,
      "Restore without --cgroup-root",
    )
  const rest = from === "/" ? path : path.slice(from.length)
  const moved = to === "/" ? rest : `${to}${rest === "/" ? "" : rest}`
  return moved === "" ? "/" : moved
}

/** "/a/b/c" -> "/a", "/a/b". */
function ancestorsOf(path: string): string[] {
  const names = path.split("/").filter(Boolean)
  return names.slice(1).map((_, depth) => `/${names.slice(0, depth + 1).join("/")}`)
}

function addOne(
  directories: Map<string, PlannedDirectory>,
  hierarchy: Hierarchy,
  path: string,
  own: string | undefined,
  entry: cgroup_dir_entry | undefined,
): void {
  const directory = directoryOf(hierarchy, path)
  if (directory === undefined || (directories.get(directory) && !entry)) return
  const { properties = [], dir_perms: perms } = entry ?? {}
  for (const name of [...path.split("/"), ...properties.map((property) => property.name)])
    if (name === ".." || name === ".") throw damagedImage(ACTION, `"${path}" leaves its hierarchy`)
  if (properties.some(({ name }) => name.includes("/"))) throw damagedImage(ACTION, `a property of "${path}" has a slash`)
  directories.set(directory, {
    directory,
    saved: entry !== undefined,
    isOurs: own !== undefined && isWithin(own, path),
    hierarchy,
    perms,
    properties,
  })
}
