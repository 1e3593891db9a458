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
import { LOCK_METHOD, TASK } from "../../../proto/values.ts"
import type { Stat } from "../../proc/stat.ts"
import { NAMESPACE_IDS, OWN_TIME } from "../namespaces.ts"
import type { ObjectIds } from "./objects.ts"
import type { TreePlace } from "./survey.ts"

/** Version of the image format that CRIU calls 1.1. */
const IMG_VERSION = 2

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

/** The inventory: commit record of a set. `runId` is any UUID, `ownSet` the cgroup set of the dumping program. */
export const collectInventory = (runId: string, ownSet: number, network: Partial<inventory_entry> = {}): inventory_entry => ({
  img_version: IMG_VERSION,
  fdinfo_per_id: true,
  ns_per_id: true,
  root_ids: ROOT_IDS,
  root_cg_set: ownSet,
  lsmtype: lsmtype.NO_LSM,
  // No network is locked, so a restore has nothing to unlock.
  network_lock_method: LOCK_METHOD.SKIP,
  ...network,
  plugins_entry: { plugins: [] },
  dump_criu_run_id: runId,
})

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

/** One thread's core image. `tc` only for the leader. Authority: REFERENCE 3.1 */
export const collectCore = (thread_info: thread_info_x86, thread_core: thread_core_entry, tc?: task_core_entry): core_entry => ({
  mtype: core_entry_march.X86_64,
  thread_info,
  thread_core,
  ...(tc ? { tc } : {}),
})
