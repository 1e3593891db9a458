import type { Cgroup } from "../../proc/cgroup.ts"
import type { Mount } from "../../proc/mountinfo.ts"

/** A hierarchy as images name it, and where it is mounted. */
export interface Hierarchy {
  /** "cpu,cpuacct", "name=systemd"; "" for version 2. */
  readonly name: string
  /** None for version 2. */
  readonly controllers: readonly string[]
  /** Mount point; undefined when it is mounted nowhere. */
  readonly point: string | undefined
  /** Path in the hierarchy of what is mounted there. */
  readonly root: string
}

/** Name of a hierarchy in a set of cgroups: the controller list of /proc/PID/cgroup. */
export const nameOf = ({ controllers }: Cgroup): string => controllers.join(",")

/** True when an option means this hierarchy: by its whole name, one of its controllers, or "cgroup2" for version 2. */
export const isMeant = (option: string, name: string): boolean =>
  name === "" ? option === "cgroup2" || option === "" : option === name || name.split(",").includes(option)

/** The hierarchies that a process is in, as /proc/PID/cgroup lists them, with the mount that shows most of each. */
export function findHierarchies(memberships: readonly Cgroup[], mounts: readonly Mount[]): Hierarchy[] {
  return memberships.map((membership) => {
    const { controllers } = membership
    const fitting = mounts.filter(({ type, superOptions }) =>
      controllers.length === 0 ? type === "cgroup2" : type === "cgroup" && controllers.every((name) => superOptions.includes(name)),
    )
    const mount = fitting.sort((a, b) => a.root.length - b.root.length)[0]
    return { name: nameOf(membership), controllers, point: mount?.point, root: mount?.root ?? "/" }
  })
}

/** True when one path of a hierarchy is another or below it. */
export const isWithin = (path: string, above: string): boolean => above === "/" || path === above || path.startsWith(`${above}/`)

/** The directory of a cgroup; undefined when no mount shows it. */
export function directoryOf({ point, root }: Hierarchy, path: string): string | undefined {
  if (point === undefined || !isWithin(path, root)) return undefined
  const rest = root === "/" ? path : path.slice(root.length)
  return rest === "/" || rest === "" ? point : `${point}${rest}`
}
