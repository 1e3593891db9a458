import { SIG } from "../../../ffi/abi/signal.ts"
import {
  type core_entry,
  core_entry_march,
  type task_core_entry,
  type task_kobj_ids_entry,
  type thread_core_entry,
} from "../../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../../proto/gen/core-x86_pb.ts"
import { type inventory_entry, lsmtype } from "../../../proto/gen/inventory_pb.ts"
import type { pstree_entry } from "../../../proto/gen/pstree_pb.ts"
import type { stasis_task_entry } from "../../../proto/gen/stasis_pb.ts"
import { TASK } from "../../../proto/values.ts"
import type { Refusal } from "../../base/errors.ts"
import type { Namespaces } from "../../proc/links.ts"
import type { Stat } from "../../proc/stat.ts"
import { NAMESPACE_IDS, OWN_TIME } from "../namespaces.ts"
import type { ObjectIds } from "./objects.ts"

/** Version of the image format that CRIU calls 1.1. */
const IMG_VERSION = 2
/** "Skip": no network is locked, so a restore has nothing to unlock. Authority: REFERENCE 1.6. */
const NETWORK_LOCK_SKIP = 2

/** Id that segments of the dumping program's IPC namespace stand under in images. */
export const IPC_NAMESPACE = NAMESPACE_IDS.ipc_ns_id

/** Object ids of the dumping program. */
const ROOT_IDS: task_kobj_ids_entry = { vm_id: 1, files_id: 1, fs_id: 1, sighand_id: 1, ...NAMESPACE_IDS }

/** Id that the clocks of a tree stand under in images. Authority: REFERENCE 6.4 */
export const clocksId = (ownTime: boolean): number => (ownTime ? OWN_TIME : 0)

/** Ids of a dumped process, which is in the namespaces of the dumping program. @param ownTime but for its time namespace */
export const collectIds = (objects: ObjectIds, ownTime: boolean): task_kobj_ids_entry => ({
  ...objects,
  ...NAMESPACE_IDS,
  ...(ownTime ? { time_ns_id: OWN_TIME } : {}),
})

/** Namespaces that every process of a tree must be in: the tool's own, and that of the root's clocks. */
export function expectedNamespaces(ours: Namespaces, time: bigint | undefined): Namespaces {
  return time === undefined ? ours : new Map([...ours, ["time", time], ["time_for_children", time]])
}

/** The inventory: commit record of a set. `runId` is any UUID, `ownSet` the cgroup set of the dumping program. */
export const collectInventory = (runId: string, ownSet: number, network: Partial<inventory_entry> = {}): inventory_entry => ({
  img_version: IMG_VERSION,
  fdinfo_per_id: true,
  ns_per_id: true,
  root_ids: ROOT_IDS,
  root_cg_set: ownSet,
  lsmtype: lsmtype.NO_LSM,
  network_lock_method: NETWORK_LOCK_SKIP,
  ...network,
  plugins_entry: { plugins: [] },
  dump_criu_run_id: runId,
})

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

/** One process of the tree, as pstree.img wants it. A zombie's only thread is itself. */
export const collectTree = (stat: TreePlace, ppid: number, threads: readonly number[]): pstree_entry => ({
  pid: stat.pid,
  ppid,
  pgid: stat.pgrp,
  sid: stat.session,
  threads: [...threads],
})

/**
 * What a process's parent hears of it: the signal of its end, and whether its stop is still to be waited for. A kernel before 5.17 shows
 * every stop as waited for. Kernel: fs/proc/array.c do_task_stat(), which shows the group's exit code of what is stopped
 */
export const collectEnds = (
  { exit_signal, exit_code }: Pick<Stat, "exit_signal" | "exit_code">,
  isStopped: boolean,
): Pick<stasis_task_entry, "exit_signal" | "stop_unseen"> => ({
  ...(exit_signal === SIG.CHLD ? {} : { exit_signal }),
  ...(isStopped && exit_code !== 0 ? { stop_unseen: true } : {}),
})

/** The core image of a zombie: its name and how it ended, in the form of wait(2). Needs ptrace access to it, else the kernel says 0. */
export const collectDeadCore = ({ comm, exit_code, flags }: Pick<Stat, "comm" | "exit_code" | "flags">): core_entry => ({
  mtype: core_entry_march.X86_64,
  tc: { task_state: TASK.DEAD, exit_code, personality: 0, flags, blk_sigset: 0n, comm, sigactions: [] },
})

/** Threads with a namespace that is not their leader's (unshare(2), setns(2) of one thread), and what to do. */
export function surveyThreadNamespaces(pid: number, leader: Namespaces, tid: number, theirs: Namespaces): Refusal[] {
  const differing = [...leader].flatMap(([name, inode]) => (theirs.get(name) === inode ? [] : [name]))
  if (differing.length === 0) return []
  const what = `in another namespace than its process: ${differing.join(", ")}`
  return [{ what, where: `thread ${tid} of task ${pid}`, remedy: "Start the program without namespaces of single threads" }]
}

/** One thread's core image. `tc` only for the leader. Authority: REFERENCE 3.1 */
export const collectCore = (thread_info: thread_info_x86, thread_core: thread_core_entry, tc?: task_core_entry): core_entry => ({
  mtype: core_entry_march.X86_64,
  thread_info,
  thread_core,
  ...(tc ? { tc } : {}),
})
