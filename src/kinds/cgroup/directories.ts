import { join } from "node:path"
import type { Stat } from "../../../ffi/files.ts"
import { existsSync, readdirSync, readFileSync, statSync } from "../../../ffi/fs.ts"
import type { cg_controller_entry, cg_set_entry, cgroup_dir_entry, cgroup_perms, cgroup_prop_entry } from "../../../proto/gen/cgroup_pb.ts"
import { logger } from "../../base/log.ts"
import type { Cgroup } from "../../proc/cgroup.ts"
import { directoryOf, type Hierarchy, isMeant, isWithin, nameOf } from "./hierarchy.ts"
import { type PropertyRule, propertiesOf, savedValue, WITHOUT_VALUE } from "./properties.ts"

const log = logger("cgroup")

/** A path given by --cgroup-root for one hierarchy, or for all that have none of their own. */
export interface CgroupRoot {
  readonly controller: string | undefined
  readonly path: string
}

/** What is saved of directories. */
export interface Saving {
  readonly rules: readonly PropertyRule[]
  /** Where saving begins instead of where the tasks are. */
  readonly roots: readonly CgroupRoot[]
  /** Values to save instead of those found, by file: what the tool itself changed for the time of the dump. */
  readonly instead: ReadonlyMap<string, string>
}

/** The --cgroup-root that counts for a hierarchy. */
export const rootFor = (roots: readonly CgroupRoot[], name: string): string | undefined =>
  (
    roots.findLast(({ controller }) => controller !== undefined && isMeant(controller, name)) ??
    roots.findLast(({ controller }) => controller === undefined)
  )?.path

/**
 * Paths where saving begins: those of the sets, without such as are below another one. Where the tool itself is, nothing below is
 * saved: those are the cgroups of others.
 *
 * @param own path of the tool
 */
export function topsOf(paths: readonly string[], own: string | undefined): string[] {
  const unique = [...new Set(paths)].sort()
  return unique.filter((path) => !unique.some((above) => above !== path && above !== own && isWithin(path, above)))
}

/** Every hierarchy in which a set is, with its directories. */
export function collectControllers(
  sets: readonly cg_set_entry[],
  own: readonly Cgroup[],
  hierarchies: readonly Hierarchy[],
  saving: Saving,
): cg_controller_entry[] {
  const names = new Set(sets.flatMap(({ ctls }) => ctls.map(({ name }) => name)))
  return hierarchies
    .filter(({ name }) => names.has(name))
    .map((hierarchy) => {
      const { name, controllers } = hierarchy
      const paths = sets.flatMap(({ ctls }) => ctls.filter((ctl) => ctl.name === name).map(({ path }) => path))
      const mine = own.find((membership) => nameOf(membership) === name)?.path
      const root = rootFor(saving.roots, name)
      const tops = topsOf(root === undefined ? paths : [root, ...paths.filter((path) => !isWithin(path, root))], mine)
      const walk = { hierarchy, own: mine, paths, names: propertiesOf(controllers, saving.rules), instead: saving.instead }
      const dirs = tops.flatMap((path) => collectDirectory(path, path.slice(1), walk) ?? [])
      // A version 1 hierarchy takes single threads; one of version 2 where it is made for them.
      const threaded = controllers.length > 0 || dirs.some(isThreaded)
      return { cnames: controllers.length > 0 ? [...controllers] : [""], dirs, is_threaded: threaded }
    })
}

const isThreaded = ({ properties, children }: cgroup_dir_entry): boolean =>
  properties.some(({ name, value }) => name === "cgroup.type" && value === "threaded") || children.some(isThreaded)

interface Walk {
  readonly hierarchy: Hierarchy
  readonly own: string | undefined
  readonly paths: readonly string[]
  readonly names: readonly string[]
  readonly instead: ReadonlyMap<string, string>
}

/** A directory with all below it; undefined when it is gone or not to be seen. @param dir_name relative to its parent's entry */
function collectDirectory(path: string, dir_name: string, walk: Walk): cgroup_dir_entry | undefined {
  const directory = directoryOf(walk.hierarchy, path)
  const stat = directory === undefined ? undefined : statIfThere(directory)
  if (directory === undefined || !stat) {
    log.warn(`cgroup ${walk.hierarchy.name}:${path} is mounted nowhere that stasis sees: its properties are not saved`)
    return undefined
  }
  // The switch of version 1 is saved only by a dump that turned it, as by CRIU.
  const names = walk.instead.has(join(directory, "freezer.state")) ? [...walk.names, "freezer.state"] : walk.names
  const properties = names.flatMap((name) => collectProperty(directory, name, walk.instead) ?? [])
  const children = childrenOf(directory, path, walk).flatMap(([child, name]) => collectDirectory(child, name, walk) ?? [])
  return { dir_name, children, properties, dir_perms: permsOf(stat) }
}

/** Paths and names of the directories below that are saved. */
function childrenOf(directory: string, path: string, { own, paths }: Walk): (readonly [string, string])[] {
  if (path === own) return []
  const prefix = path === "/" ? "" : path
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => [`${prefix}/${name}`, name] as const)
    .filter(([child]) => own === undefined || !isWithin(own, child) || paths.some((wanted) => isWithin(wanted, child)))
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function collectProperty(directory: string, name: string, instead: ReadonlyMap<string, string>): cgroup_prop_entry | undefined {
  const file = join(directory, name)
  const stat = statIfThere(file)
  if (!stat) return undefined
  try {
    const value = WITHOUT_VALUE.has(name) ? "" : (instead.get(file) ?? savedValue(name, readFileSync(file, "utf8")))
    return { name, value, perms: permsOf(stat) }
  } catch (error) {
    // Some files exist and cannot be read where they mean nothing, such as in threaded cgroups.
    log.debug(`${file} is not saved: ${error}`)
    return undefined
  }
}

const statIfThere = (path: string): Stat | undefined => (existsSync(path) ? statSync(path) : undefined)
const permsOf = ({ mode, uid, gid }: Stat): cgroup_perms => ({ mode, uid, gid })
