import { SIG } from "../../ffi/abi/signal.ts"
import type { core_entry, task_core_entry, task_kobj_ids_entry, thread_core_entry } from "../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../proto/gen/core-x86_pb.ts"
import type { file_lock_entry } from "../../proto/gen/file-lock_pb.ts"
import type { fs_entry } from "../../proto/gen/fs_pb.ts"
import type { memfd_inode_entry } from "../../proto/gen/memfd_pb.ts"
import type { mm_entry } from "../../proto/gen/mm_pb.ts"
import type { pstree_entry } from "../../proto/gen/pstree_pb.ts"
import type { seccomp_filter } from "../../proto/gen/seccomp_pb.ts"
import type { stasis_task_entry, stasis_thread_entry } from "../../proto/gen/stasis_pb.ts"
import type { timens_entry } from "../../proto/gen/timens_pb.ts"
import { TASK } from "../../proto/values.ts"
import { expectWork } from "../base/engine.ts"
import { CheckpointError, damagedImage } from "../base/errors.ts"
import type { ImageSet } from "../image/set.ts"
import { checkClocks } from "../kinds/clocks/restore.ts"
import { savedGhosts } from "../kinds/files/ghost/saved.ts"
import { filesById } from "../kinds/files/ids.ts"
import type { FileImages } from "../kinds/files/images.ts"
import { checkFileLocks } from "../kinds/files/lock/restore.ts"
import { savedDeparted } from "../kinds/files/regular/departed.ts"
import { withoutConnection } from "../kinds/files/socket/inet/closed.ts"
import { faultOfAreas } from "../kinds/memory/check.ts"
import { checkPacketRings } from "../kinds/memory/packet-ring.ts"
import type { SavedShm } from "../kinds/memory/sysv/saved.ts"
import type { Seccomp } from "../kinds/seccomp/collect.ts"
import { savedSeccomp } from "../kinds/seccomp/restore.ts"
import { checkTree } from "../kinds/tree/check-tree.ts"
import { ownTimeOf, sameNamespaces } from "../kinds/tree/restore.ts"
import { checkCore, checkRestart, checkTask } from "./check-core.ts"
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
interface SavedDead {
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

/** The signal that a process was stopped by, 0 = it ran. */
export const stopSignalOf = ({ tc: { task_state, stop_signo } }: SavedProcess): number =>
  task_state === TASK.STOPPED ? (stop_signo ?? SIG.STOP) : 0

/** What all processes of a set have in common. */
interface Common {
  readonly files: Omit<FileImages, "fdinfos">
  readonly filters: readonly seccomp_filter[]
}

const extensionOf = (set: ImageSet, pid: number): stasis_task_entry | undefined =>
  set.has("stasis-core", pid) ? set.one("stasis-core", pid) : undefined

/** The images of one process that say who it is. */
interface Leader {
  readonly tree: pstree_entry
  readonly core: core_entry
  readonly extension: stasis_task_entry | undefined
}

function readProcess(set: ImageSet, { tree, core: leaderCore, extension }: Leader, { files, filters }: Common): SavedProcess {
  const { pid } = tree
  const { tc } = leaderCore
  if (tc) checkTask(pid, tc)
  const ids = set.one("ids", pid)
  const extensions = new Map(extension?.threads.map((thread) => [thread.tid, thread]))
  const threads = tree.threads.map((tid) => {
    const core = tid === pid ? leaderCore : set.one("core", tid)
    const own = extensions.get(tid)
    checkRestart(pid, tid, own?.restart)
    return { tid, ...checkCore(tid, core, tid === pid), extension: own }
  })
  if (!tc) throw new Error("Unreachable: checkCore refuses a leader without tc")
  // CRIU's sets of a process without descriptors have no such image, and do not say that there are none.
  const fdinfos = extension?.descriptors ? set.all("fdinfo", ids.files_id) : set.optional("fdinfo", ids.files_id)
  const seccomp = savedSeccomp(threads, tc, filters)
  const [mm, fs] = [set.one("mm", pid), set.one("fs", pid)]
  const fault = faultOfAreas(mm.vmas)
  if (fault !== undefined) throw damagedImage(`Cannot restore process ${pid}`, `mm-${pid}.img: ${fault}`)
  checkPacketRings(pid, mm.vmas, { fdinfos, files: files.files })
  return { tree, tc, threads, ids, mm, fs, files: { ...files, fdinfos }, seccomp, extension }
}

/** What an open file takes in files.img, about: how many there are is to be known before they are read. */
const FILE_BYTES = 100

/**
 * Reads everything that a restore needs except pages, and checks that it fits together.
 *
 * @param tcpClose connections are new sockets
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT, E_IMAGE_VERSION, E_IMAGE_UNSUPPORTED; nothing has been created then
 */
export function readSavedTree(set: ImageSet, { tcpClose }: Pick<RestoreOptions, "tcpClose">): SavedTree {
  refuseKinds(set)
  if (set.inventory.tcp_close && !tcpClose)
    throw new CheckpointError("E_USAGE", "Cannot restore this set", "it was dumped with --tcp-close", "Use --tcp-close here too")
  const entries = set.all("pstree")
  expectWork({ processes: entries.length, threads: entries.reduce((sum, { threads }) => sum + threads.length, 0) })
  const leaders = entries.map((tree): Leader => ({ tree, core: set.one("core", tree.pid), extension: extensionOf(set, tree.pid) }))
  const isDead = ({ core }: Leader): boolean => core.tc?.task_state === TASK.DEAD
  const dead = leaders.filter(isDead).flatMap(({ tree, core: { tc }, extension }) => (tc ? [{ tree, tc, extension }] : []))
  checkTree(entries, new Set(dead.map(({ tree }) => tree.pid)))
  expectWork({ descriptors: Math.floor(set.bytesOf("files") / FILE_BYTES) })
  const openFiles = set.all("files").map((file) => (tcpClose ? withoutConnection(file) : file))
  const files = filesById(openFiles)
  const remaps = set.optional("remap-fpath")
  const images = {
    tcpStreams: readStreams(set, openFiles),
    files,
    pipesData: set.withPayloads("pipes-data"),
    skQueues: set.withPayloads("sk-queues"),
    fifoData: set.withPayloads("fifo-data"),
    bpfMapsData: set.withPayloads("bpfmap-data"),
    ttyInfos: set.optional("tty-info"),
    ttyData: set.optional("tty-data"),
    ghosts: savedGhosts(remaps, files, (number) => set.ghost(number)),
    departed: savedDeparted(remaps, files, (pid) => entries.some((entry) => entry.pid === pid)),
    extension: leaders.flatMap(({ extension }) => extension?.files ?? []),
  }
  const filters = set.optional("seccomp").flatMap(({ seccomp_filters }) => seccomp_filters)
  const processes = adoptVdso(
    set,
    leaders.filter((leader) => !isDead(leader)).map((leader) => readProcess(set, leader, { files: images, filters })),
  )
  const root = processes.find(({ tree }) => tree.ppid === 0)
  if (!root) throw damagedImage("Cannot restore this process tree", "its root was dead when it was dumped")
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
