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
import type { Refusal } from "../../base/errors.ts"
import type { Namespaces } from "../../proc/links.ts"
import type { Stat } from "../../proc/stat.ts"

/** Version of the image format that CRIU calls 1.1. */
const IMG_VERSION = 2
/** "Skip": no network is locked, so a restore has nothing to unlock. Authority: REFERENCE 1.6. */
const NETWORK_LOCK_SKIP = 2
/** Cgroup set of the dumping program itself, the only one so far. */
export const ROOT_CGROUP_SET = 1

/** Namespace ids of the dumping program: counted in this order. Authority: REFERENCE 2.3. */
const NAMESPACES = { pid_ns_id: 1, net_ns_id: 2, ipc_ns_id: 3, uts_ns_id: 4, time_ns_id: 5, mnt_ns_id: 6, user_ns_id: 7, cgroup_ns_id: 8 }

/** Object ids of the dumping program, and those of the one process, which shares nothing but namespaces with it. */
const ROOT_IDS: task_kobj_ids_entry = { vm_id: 1, files_id: 1, fs_id: 1, sighand_id: 1, ...NAMESPACES }
const TASK_IDS: task_kobj_ids_entry = { vm_id: 2, files_id: 2, fs_id: 2, sighand_id: 2, ...NAMESPACES }

/** Ids of the dumped process. */
export const collectIds = (): task_kobj_ids_entry => ({ ...TASK_IDS })

/** The inventory: commit record of a set. `runId` is any UUID. */
export const collectInventory = (runId: string): inventory_entry => ({
  img_version: IMG_VERSION,
  fdinfo_per_id: true,
  ns_per_id: true,
  root_ids: ROOT_IDS,
  root_cg_set: ROOT_CGROUP_SET,
  lsmtype: lsmtype.NO_LSM,
  network_lock_method: NETWORK_LOCK_SKIP,
  plugins_entry: { plugins: [] },
  dump_criu_run_id: runId,
})

/** Namespaces that must be the tool's own, and what to do when one is not. */
export function surveyNamespaces(pid: number, ours: Namespaces, theirs: Namespaces): Refusal[] {
  const refusals: Refusal[] = []
  for (const [name, inode] of ours) {
    // What children get is a process's own namespace again unless it was unshared.
    if (theirs.get(name) === inode) continue
    const remedy = "Run stasis inside that namespace (nsenter), from where the process can be dumped"
    refusals.push({ what: `in another ${name} namespace (${theirs.get(name) ?? "unreadable"})`, where: `task ${pid}`, remedy })
  }
  return refusals
}

/** What of a process's place in the tree cannot be dumped: children, and a session outside unless it is a shell's job. */
export function surveyTree(stat: Stat, children: readonly number[], shellJob: boolean): Refusal[] {
  const refusals: Refusal[] = []
  const where = `task ${stat.pid}`
  if (children.length > 0)
    refusals.push({
      what: `the parent of ${children.length} processes (${children.slice(0, 5).join(", ")})`,
      where,
      remedy: "Dump a process without children; trees come in a later version",
    })
  if (stat.session !== stat.pid && !shellJob)
    refusals.push({
      what: `a member of session ${stat.session}, whose leader is outside the dump`,
      where,
      remedy: "Add --shell-job, or start the program with setsid",
    })
  return refusals
}

/** The process tree: one process. */
export const collectTree = (stat: Stat, threads: readonly number[]): pstree_entry[] => [
  { pid: stat.pid, ppid: 0, pgid: stat.pgrp, sid: stat.session, threads: [...threads] },
]

/** One thread's core image. `tc` only for the leader. Authority: REFERENCE 3.1 */
export const collectCore = (thread_info: thread_info_x86, thread_core: thread_core_entry, tc?: task_core_entry): core_entry => ({
  mtype: core_entry_march.X86_64,
  thread_info,
  thread_core,
  ...(tc ? { tc } : {}),
})
