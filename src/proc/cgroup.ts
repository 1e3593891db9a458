import { expectAlive, textReader } from "./source.ts"
import { lines } from "./text.ts"

/** Membership in one hierarchy. See cgroups(7). */
export interface Cgroup {
  /** 0 = the unified hierarchy of version 2. */
  readonly hierarchy: number
  /** Controllers of a version 1 hierarchy ("name=systemd" is one); empty for version 2. */
  readonly controllers: readonly string[]
  /** From the root of the reader's cgroup namespace; starts with "/.." outside of it. May end in " (deleted)". */
  readonly path: string
}

/** /proc/PID/cgroup -> memberships, in the kernel's order. The path may hold colons. Kernel: kernel/cgroup/cgroup.c proc_cgroup_show() */
export function parseCgroups(text: string): Cgroup[] {
  return lines(text).map((line) => {
    const first = line.indexOf(":")
    const second = line.indexOf(":", first + 1)
    const controllers = line.slice(first + 1, second)
    return {
      hierarchy: Number(line.slice(0, first)),
      controllers: controllers === "" ? [] : controllers.split(","),
      path: line.slice(second + 1),
    }
  })
}

/** The memberships of who was asked last: those of most that are asked next. */
let last: { readonly text: string; readonly cgroups: readonly Cgroup[] } | undefined

/** The same, of the same text the same list. */
function parseAgain(text: string): readonly Cgroup[] {
  if (last?.text !== text) last = { text, cgroups: parseCgroups(text) }
  return last.cgroups
}

/** Null when the task is gone, or without CONFIG_CGROUPS. @throws CheckpointError E_PERMISSION · E_IO */
export const readCgroupsIfAlive = textReader("cgroup", parseAgain)
/** As `readCgroupsIfAlive`. @throws CheckpointError E_NO_PROCESS · E_KERNEL without CONFIG_CGROUPS */
export const readCgroups = expectAlive("cgroup", readCgroupsIfAlive)
