import type { Refusal } from "../../base/errors.ts"
import type { Namespaces } from "../../proc/links.ts"
import type { Stat } from "../../proc/stat.ts"

/** Namespaces that every process of a tree must be in: the tool's own, and that of the root's clocks. */
export function expectedNamespaces(ours: Namespaces, time: bigint | undefined): Namespaces {
  return time === undefined ? ours : new Map([...ours, ["time", time], ["time_for_children", time]])
}

/** Namespaces that are not as expected, and their inodes; those of children only where they are not the process's own. */
function otherNamespaces(expected: Namespaces, theirs: Namespaces): { name: string; inode: string }[] {
  const differs = (name: string): boolean => expected.has(name) && theirs.get(name) !== expected.get(name)
  return [...expected.keys()].filter(differs).flatMap((name) => {
    const own = name.replace(/_for_children$/, "")
    const isTold = own !== name && differs(own) && theirs.get(own) === theirs.get(name)
    return isTold ? [] : [{ name, inode: String(theirs.get(name) ?? "unreadable") }]
  })
}

/** What to do about a process in other namespaces than the tool: it has entered those of the root where it can. */
const apart = (pid: number, root: number): string =>
  pid === root
    ? "Run stasis inside those namespaces (nsenter), from where the process can be dumped"
    : `Dump that process by itself (stasis dump ${pid}), or keep the program from giving its children namespaces of their own`

/** Namespaces of a process that are not as expected, and what to do when one is not. @param root of the tree */
export function surveyNamespaces(pid: number, root: number, expected: Namespaces, theirs: Namespaces): Refusal[] {
  const others = otherNamespaces(expected, theirs)
  const [first] = others
  if (!first) return []
  const listed = others.map(({ name, inode }) => `${name} (${inode})`).join(", ")
  const what = others.length === 1 ? `in another ${first.name} namespace (${first.inode})` : `in other namespaces: ${listed}`
  return [{ what, where: `task ${pid}`, remedy: apart(pid, root), code: "E_NAMESPACE" }]
}

/** Threads with a namespace that is not their leader's (unshare(2), setns(2) of one thread), and what to do. */
export function surveyThreadNamespaces(pid: number, leader: Namespaces, tid: number, theirs: Namespaces): Refusal[] {
  const differing = [...leader].flatMap(([name, inode]) => (theirs.get(name) === inode ? [] : [name]))
  if (differing.length === 0) return []
  const what = `in another namespace than its process: ${differing.join(", ")}`
  return [{ what, where: `thread ${tid} of task ${pid}`, remedy: "Start the program without namespaces of single threads" }]
}

/** A process of the tree: its place as /proc tells it. */
export type TreePlace = Pick<Stat, "pid" | "session" | "pgrp">

/**
 * What of the processes' places cannot be dumped: sessions and groups whose leaders live outside, unless the tree is a shell's job.
 *
 * @param places the root first
 * @param lives whether a task has this ID now
 */
export function surveyTree(places: readonly TreePlace[], shellJob: boolean, lives: (id: number) => boolean): Refusal[] {
  const [root] = places
  if (!root) throw new Error("Unreachable: a tree without a root")
  const inside = new Set(places.map(({ pid }) => pid))
  if (root.pid === 1)
    return [
      {
        what: "PID 1 of its PID namespace: a whole container, which cannot be restored yet",
        where: "task 1",
        remedy: "Dump what runs below it, by its own PID",
        code: "E_NAMESPACE",
      },
    ]
  if (root.session !== root.pid && !shellJob)
    return [
      {
        what: `a member of session ${root.session}, whose leader is outside the dump`,
        where: `task ${root.pid}`,
        remedy: "Add --shell-job, or start the program with setsid",
      },
    ]
  const isOutside = (id: number, ofRoot: number): boolean => !inside.has(id) && !(shellJob && id === ofRoot) && (id === 0 || lives(id))
  return places.flatMap(({ pid, session, pgrp }) => {
    const remedy = "Dump from a process further up, which holds that one too, or end it"
    const refusals: Refusal[] = []
    if (isOutside(session, root.session))
      refusals.push({ what: `a member of session ${session}, whose leader is outside the dump`, where: `task ${pid}`, remedy })
    else if (isOutside(pgrp, root.pgrp))
      refusals.push({ what: `a member of process group ${pgrp}, whose leader is outside the dump`, where: `task ${pid}`, remedy })
    return refusals
  })
}
