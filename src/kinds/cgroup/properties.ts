/**
 * Properties of cgroup directories that are saved, by controller. The version 1 lists are CRIU 4.1.1's (seen in its images and its
 * --cgroup-props text); for version 2 CRIU saves the core files only, the limits of controllers are our addition.
 */

/** Controllers of version 1 and what is saved of each. A limit stands before the one that may not be below it. */
const V1: Readonly<Record<string, readonly string[]>> = {
  cpu: ["cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.rt_period_us", "cpu.rt_runtime_us"],
  memory: [
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.swappiness",
    "memory.soft_limit_in_bytes",
    "memory.move_charge_at_immigrate",
    "memory.oom_control",
    "memory.use_hierarchy",
    "memory.kmem.limit_in_bytes",
    "memory.kmem.tcp.limit_in_bytes",
  ],
  cpuset: [
    "cpuset.cpus",
    "cpuset.mems",
    "cpuset.memory_migrate",
    "cpuset.cpu_exclusive",
    "cpuset.mem_exclusive",
    "cpuset.mem_hardwall",
    "cpuset.memory_spread_page",
    "cpuset.memory_spread_slab",
    "cpuset.sched_load_balance",
    "cpuset.sched_relax_domain_level",
  ],
  blkio: ["blkio.weight"],
  net_cls: ["net_cls.classid"],
  net_prio: ["net_prio.ifpriomap"],
  pids: ["pids.max"],
  devices: ["devices.list"],
}

/** Of every version 1 directory; the last two are saved without a value, for their owners and modes. */
const V1_ALWAYS = ["cgroup.clone_children", "notify_on_release", "cgroup.procs", "tasks"] as const
/** Files that name tasks: a restore writes tasks into them itself. */
export const WITHOUT_VALUE: ReadonlySet<string> = new Set(["cgroup.procs", "tasks", "cgroup.threads"])

/** Of every version 2 directory. Those of controllers exist only where the parent hands the controller down. */
const V2 = [
  "cgroup.subtree_control",
  "cgroup.max.descendants",
  "cgroup.max.depth",
  "cgroup.freeze",
  "cgroup.type",
  "cpuset.cpus",
  "cpuset.mems",
  "cpu.weight",
  "cpu.max",
  "memory.min",
  "memory.low",
  "memory.high",
  "memory.max",
  "memory.swap.max",
  "memory.oom.group",
  "pids.max",
] as const

/** Properties of a controller that --cgroup-props adds, or names instead of ours. The controller of version 2 is "". */
export interface PropertyRule {
  readonly controller: string
  readonly strategy: "merge" | "replace"
  readonly properties: readonly string[]
}

/**
 * Names of the properties to save in directories of one hierarchy.
 *
 * @param controllers that are mounted together; none for version 2
 * @param rules of --cgroup-props, in order
 */
export function propertiesOf(controllers: readonly string[], rules: readonly PropertyRule[]): string[] {
  const unified = controllers.length === 0
  const names = (unified ? [""] : controllers).flatMap((controller) => {
    const mine = rules.filter((rule) => rule.controller === controller)
    // What stands before the last "replace" is replaced.
    const from = mine.findLastIndex(({ strategy }) => strategy === "replace")
    const usual = unified ? V2 : (V1[controller] ?? [])
    return [...(from < 0 ? usual : []), ...mine.slice(Math.max(from, 0)).flatMap(({ properties }) => properties)]
  })
  return [...new Set(unified ? names : [...names, ...V1_ALWAYS])]
}

/**
 * When a restore sets a property: as soon as the directory is made (no task can enter it, or no child be made, without), when the
 * processes are complete (a limit could hurt their making), or when they run again (they could not be let go).
 */
export type PropertyMoment = "early" | "late" | "last"

const EARLY = new Set([
  "cgroup.type",
  "cgroup.subtree_control",
  "devices.list",
  "memory.kmem.limit_in_bytes",
  "memory.swappiness",
  "memory.oom_control",
  "memory.use_hierarchy",
  // A real-time thread can neither enter a group without real-time bandwidth nor become one in it. Kernel: sched_rt_can_attach()
  "cpu.rt_period_us",
  "cpu.rt_runtime_us",
])
const LAST = new Set(["cgroup.freeze", "freezer.state"])

/** When a property is set. */
export const momentOf = (name: string): PropertyMoment =>
  LAST.has(name) ? "last" : EARLY.has(name) || name.startsWith("cpuset.") ? "early" : "late"

/**
 * The text of a property file as it is saved: memory.oom_control is a report of which only the switch can be written.
 * Kernel: mm/memcontrol-v1.c mem_cgroup_oom_control_read()
 */
export const savedValue = (name: string, text: string): string =>
  name === "memory.oom_control" ? (/^oom_kill_disable (\d+)/m.exec(text)?.[1] ?? text.trim()) : text.trim()

/** One write into a file of a directory. */
interface PropertyWrite {
  readonly file: string
  readonly text: string
}

/**
 * The writes that bring a property to a saved value.
 *
 * @param current value as `savedValue` gives it, of the directory as it is
 * Man page: cgroups(7). Kernel: Documentation/admin-guide/cgroup-v1/devices.rst, cgroup-v2.rst
 */
export function writesFor(name: string, value: string, current: string): PropertyWrite[] {
  if (value === current || WITHOUT_VALUE.has(name)) return []
  const lines = value.split("\n").filter(Boolean)
  switch (name) {
    case "cgroup.type":
      // The other types are no choices but what follows from the directories above and below.
      return value === "threaded" ? [{ file: name, text: value }] : []
    case "cgroup.subtree_control": {
      const [wanted, given] = [value, current].map((text) => text.split(" ").filter(Boolean)) as [string[], string[]]
      const changes = [
        ...wanted.filter((c) => !given.includes(c)).map((c) => `+${c}`),
        ...given.filter((c) => !wanted.includes(c)).map((c) => `-${c}`),
      ]
      return changes.length > 0 ? [{ file: name, text: changes.join(" ") }] : []
    }
    case "devices.list":
      return [{ file: "devices.deny", text: "a" }, ...lines.map((text) => ({ file: "devices.allow", text }))]
    case "net_prio.ifpriomap":
      return lines.map((text) => ({ file: name, text }))
    default:
      return value === "" ? [] : [{ file: name, text: value }]
  }
}
