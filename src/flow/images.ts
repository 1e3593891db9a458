import { SIG } from "../../ffi/abi/signal.ts"
import type { core_entry, task_core_entry, task_kobj_ids_entry, thread_core_entry } from "../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../proto/gen/core-x86_pb.ts"
import type { file_lock_entry } from "../../proto/gen/file-lock_pb.ts"
import type { fs_entry } from "../../proto/gen/fs_pb.ts"
import type { memfd_inode_entry } from "../../proto/gen/memfd_pb.ts"
import type { mm_entry } from "../../proto/gen/mm_pb.ts"
import type { pstree_entry } from "../../proto/gen/pstree_pb.ts"
import type { stasis_restart_entry, stasis_task_entry, stasis_thread_entry } from "../../proto/gen/stasis_pb.ts"
import type { timens_entry } from "../../proto/gen/timens_pb.ts"
import { expectWork } from "../base/engine.ts"
import { CheckpointError } from "../base/errors.ts"
import type { ImageSet } from "../image/set.ts"
import { checkClocks } from "../kinds/clocks/restore.ts"
import { savedGhosts } from "../kinds/files/ghost/saved.ts"
import { filesById } from "../kinds/files/ids.ts"
import type { FileImages } from "../kinds/files/images.ts"
import { checkFileLocks } from "../kinds/files/lock/restore.ts"
import { withoutConnection } from "../kinds/files/socket/inet/closed.ts"
import { faultOfAreas } from "../kinds/memory/check.ts"
import { checkPacketRings } from "../kinds/memory/packet-ring.ts"
import type { SavedShm } from "../kinds/memory/sysv/saved.ts"
import { isTimedSleep } from "../kinds/registers/interrupted.ts"
import type { Seccomp } from "../kinds/seccomp/collect.ts"
import { savedSeccomp } from "../kinds/seccomp/restore.ts"
import { faultOfTimers } from "../kinds/timers/restore.ts"
import { checkTree } from "../kinds/tree/check-tree.ts"
import { ownTimeOf, sameNamespaces } from "../kinds/tree/restore.ts"
import { readStreams } from "./connections.ts"
import type { RestoreOptions } from "./options.ts"
import { shmOf } from "./saved-shm.ts"
import { adoptVdso, type StandIn } from "./vdso.ts"

/** One thread as the images have it. */
export interface SavedThread {
  readonly tid: number
  readonly info: thread_info_x86
  readonly core: thread_core_entry
  readonly extension: stasis_thread_entry | undefined
}

/** One living process as the images have it, checked and complete. */
export interface SavedProcess {
  readonly tree: pstree_entry
  readonly tc: task_core_entry
  /** The leader first. */
  readonly threads: readonly SavedThread[]
  readonly ids: task_kobj_ids_entry
  readonly mm: mm_entry
  readonly fs: fs_entry
  readonly files: FileImages
  /** By thread ID, the leader first. */
  readonly seccomp: ReadonlyMap<number, Seccomp>
  readonly extension: stasis_task_entry | undefined
  /** Absent where this kernel has the vdso of the dump. */
  readonly standIn?: StandIn
}

/** A zombie as the images have it. */
export interface SavedDead {
  readonly tree: pstree_entry
  /** Name, and how it ended in the form of wait(2). */
  readonly tc: task_core_entry
  readonly extension: stasis_task_entry | undefined
}

/** A process tree as the images have it. */
export interface SavedTree {
  readonly root: SavedProcess
  /** Living processes in the order of pstree.img. */
  readonly processes: readonly SavedProcess[]
  readonly dead: readonly SavedDead[]
  /** Shared memory without a name, and memfds: memfd.img has both. */
  readonly memfds: readonly memfd_inode_entry[]
  /** System V segments. */
  readonly shm: readonly SavedShm[]
  /** What the clocks of the tree showed. */
  readonly clocks: timens_entry | undefined
  readonly locks: readonly file_lock_entry[]
}

/** Task states. Authority: REFERENCE 2.2 */
const ALIVE = 1
const DEAD = 2
const STOPPED = 3
const X86_64 = 1
/** State of an alternate stack, all but SS_AUTODISARM: 0, SS_ONSTACK or SS_DISABLE. Header: include/uapi/linux/signal.h */
const MODE = 0x7fffffff
const SS_DISABLE = 2

/** The signal that a process was stopped by, 0 = it ran. */
export const stopSignalOf = ({ tc: { task_state, stop_signo } }: SavedProcess): number =>
  task_state === STOPPED ? (stop_signo ?? SIG.STOP) : 0

function checkCore(
  tid: number,
  { mtype, thread_info, thread_core, tc }: core_entry,
  leader: boolean,
): { info: thread_info_x86; core: thread_core_entry } {
  const action = `Cannot restore thread ${tid}`
  const bad = (found: string): CheckpointError =>
    new CheckpointError("E_IMAGE_CORRUPT", action, `core-${tid}.img ${found}`, "Use another image set")
  if (mtype !== X86_64)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      action,
      `core-${tid}.img is of machine type ${mtype}, this is x86-64`,
      "Restore on the architecture of the dump",
    )
  if (!thread_info) throw bad("has no registers")
  if (!thread_core) throw bad("has no thread_core")
  if (((thread_core.sas?.ss_flags ?? 0) & MODE) > SS_DISABLE) throw bad("has an alternate stack in two states")
  if (leader !== (tc !== undefined)) throw bad(leader ? "has no task part" : "has a task part although it is no leader")
  return { info: thread_info, core: thread_core }
}

function checkTask(pid: number, { task_state, timers, rlimits }: task_core_entry): void {
  const action = `Cannot restore process ${pid}`
  if (task_state !== ALIVE && task_state !== STOPPED)
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      action,
      `its state is ${task_state}, known are ${ALIVE} alive, ${DEAD} dead and ${STOPPED} stopped`,
      "Use another image set",
    )
  if (!timers || !rlimits)
    throw new CheckpointError(
      "E_IMAGE_VERSION",
      action,
      `core-${pid}.img has no ${timers ? "limits" : "timers"}: the set is of CRIU before 2.0`,
      "Dump again with a newer program",
    )
  const fault = faultOfTimers(timers)
  if (fault !== undefined) throw new CheckpointError("E_IMAGE_CORRUPT", action, `core-${pid}.img: ${fault}`, "Use another image set")
}

/** A call with a time left is run in the thread by its number: an image must not choose any other. */
function checkRestart(pid: number, tid: number, restart: stasis_restart_entry | undefined): void {
  if (restart?.remaining_sec === undefined || isTimedSleep(restart.syscall_nr)) return
  throw new CheckpointError(
    "E_IMAGE_CORRUPT",
    `Cannot restore thread ${tid}`,
    `stasis-core-${pid}.img has a time left for system call ${restart.syscall_nr}, which is no sleep`,
    "Use another image set",
  )
}

/** What all processes of a set have in common. */
type Common = Omit<FileImages, "fdinfos">

const extensionOf = (set: ImageSet, pid: number): stasis_task_entry | undefined =>
  set.has("stasis-core", pid) ? set.one("stasis-core", pid) : undefined

function readProcess(set: ImageSet, tree: pstree_entry, leaderCore: core_entry, common: Common): SavedProcess {
  const { pid } = tree
  const { tc } = leaderCore
  if (tc) checkTask(pid, tc)
  const ids = set.one("ids", pid)
  const extension = extensionOf(set, pid)
  const threads = tree.threads.map((tid) => {
    const core = tid === pid ? leaderCore : set.one("core", tid)
    const own = extension?.threads.find((thread) => thread.tid === tid)
    checkRestart(pid, tid, own?.restart)
    return { tid, ...checkCore(tid, core, tid === pid), extension: own }
  })
  if (!tc) throw new Error("Unreachable: checkCore refuses a leader without tc")
  // CRIU's sets of a process without descriptors have no such image, and do not say that there are none.
  const fdinfos = extension?.descriptors ? set.all("fdinfo", ids.files_id) : set.optional("fdinfo", ids.files_id)
  const filters = set.optional("seccomp").flatMap(({ seccomp_filters }) => seccomp_filters)
  const seccomp = savedSeccomp(threads, tc, filters)
  const [mm, fs] = [set.one("mm", pid), set.one("fs", pid)]
  const fault = faultOfAreas(mm.vmas)
  if (fault !== undefined)
    throw new CheckpointError("E_IMAGE_CORRUPT", `Cannot restore process ${pid}`, `mm-${pid}.img: ${fault}`, "Use another image set")
  checkPacketRings(pid, mm.vmas, { fdinfos, files: common.files })
  return { tree, tc, threads, ids, mm, fs, files: { ...common, fdinfos }, seccomp, extension }
}

/**
 * Reads everything that a restore needs except pages, and checks that it fits together.
 *
 * @param options with `tcpClose`, connections are new sockets
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT, E_IMAGE_VERSION, E_IMAGE_UNSUPPORTED; nothing has been created then
 */
export function readTree(set: ImageSet, { tcpClose }: Pick<RestoreOptions, "tcpClose">): SavedTree {
  refuseKinds(set)
  if (set.inventory.tcp_close && !tcpClose)
    throw new CheckpointError("E_USAGE", "Cannot restore this set", "it was dumped with --tcp-close", "Use --tcp-close here too")
  const entries = set.all("pstree")
  expectWork({ processes: entries.length, threads: entries.reduce((sum, { threads }) => sum + threads.length, 0) })
  const leaders = entries.map((tree) => ({ tree, core: set.one("core", tree.pid) }))
  const isDead = ({ core }: { core: core_entry }): boolean => core.tc?.task_state === DEAD
  const dead = leaders.filter(isDead).flatMap(({ tree, core: { tc } }) => (tc ? [{ tree, tc, extension: extensionOf(set, tree.pid) }] : []))
  checkTree(entries, new Set(dead.map(({ tree }) => tree.pid)))
  const openFiles = set.all("files").map((file) => (tcpClose ? withoutConnection(file) : file))
  expectWork({ descriptors: openFiles.length })
  const files = filesById(openFiles)
  const common = {
    tcpStreams: readStreams(set, openFiles),
    files,
    pipesData: set.withPayloads("pipes-data"),
    skQueues: set.withPayloads("sk-queues"),
    fifoData: set.withPayloads("fifo-data"),
    bpfMapsData: set.withPayloads("bpfmap-data"),
    ttyInfos: set.optional("tty-info"),
    ttyData: set.optional("tty-data"),
    ghosts: savedGhosts(set.optional("remap-fpath"), files, (number) => set.withPayloads("ghost-file", number)),
    extension: leaders.flatMap(({ tree: { pid } }) => set.optional("stasis-core", pid).flatMap(({ files }) => files)),
  }
  const processes = adoptVdso(
    set,
    leaders.filter((leader) => !isDead(leader)).map(({ tree, core }) => readProcess(set, tree, core, common)),
  )
  const root = processes.find(({ tree }) => tree.ppid === 0)
  if (!root)
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      "Cannot restore this process tree",
      "its root was dead when it was dumped",
      "Use another image set",
    )
  for (const { ids } of processes) sameNamespaces(ids, root.ids, set.inventory.root_ids)
  const locks = set.optional("filelocks")
  checkFileLocks(locks, (pid) => processes.find(({ tree }) => tree.pid === pid)?.files.fdinfos)
  return { root, processes, dead, memfds: set.optional("memfd"), shm: shmOf(set, processes), clocks: readClocks(set, root), locks }
}

/** Clocks stand under the id of a time namespace, or under 0 where the tree had none of its own; some sets have none. */
function readClocks(set: ImageSet, { ids }: SavedProcess): timens_entry | undefined {
  const own = ownTimeOf(ids, set.inventory.root_ids)
  const clocks = own === undefined ? set.optional("timens", 0)[0] : set.one("timens", own)
  if (clocks) checkClocks(clocks)
  return clocks
}

/** Images of what a later version restores, and what it is. */
const LATER = { apparmor: "AppArmor policies" } as const

function refuseKinds(set: ImageSet): void {
  for (const [kind, what] of Object.entries(LATER))
    if (set.has(kind as keyof typeof LATER))
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        "Cannot restore this set",
        `it has ${what} (${kind}.img)`,
        "Restore it with CRIU; this comes in a later version",
      )
}
