import type { pstree_entry } from "../../../proto/gen/pstree_pb.ts"
import type { timens_entry } from "../../../proto/gen/timens_pb.ts"
import { refusedTarget } from "../../base/errors.ts"
import type { ImageTransaction } from "../../image/transaction.ts"
import type { CollectedCgroups } from "../../kinds/cgroup/collect.ts"
import { OWN_SET } from "../../kinds/cgroup/collect.ts"
import { collectClocks } from "../../kinds/clocks/collect.ts"
import { clocksOf } from "../../kinds/clocks/now.ts"
import { collectFs } from "../../kinds/cwd/collect.ts"
import { collectDescriptors } from "../../kinds/files/collect.ts"
import type { CollectMoment, FileOptions } from "../../kinds/files/collecting.ts"
import { isInMemory } from "../../kinds/files/ghost/collect.ts"
import { mayFollowMapped } from "../../kinds/files/mapped.ts"
import { FileTable } from "../../kinds/files/table.ts"
import { collectMm, collectVmaExtension } from "../../kinds/memory/collect.ts"
import { numberApart, type SharedMemory } from "../../kinds/memory/shared.ts"
import { collectSysv, type SysvSegment } from "../../kinds/memory/sysv/collect.ts"
import { findAttached } from "../../kinds/memory/sysv/mapping.ts"
import { surveySysvSegments } from "../../kinds/memory/sysv/survey.ts"
import { joinWindows } from "../../kinds/memory/windows.ts"
import type { FilterTable } from "../../kinds/seccomp/collect.ts"
import {
  clocksId,
  collectDeadCore,
  collectEnds,
  collectIds,
  collectInventory,
  collectTree,
  IPC_NAMESPACE,
} from "../../kinds/tree/collect.ts"
import { type ObjectIds, ownersOf, surveyObjects } from "../../kinds/tree/objects.ts"
import { readAuxv } from "../../proc/auxv.ts"
import { ownNamespaces, readNamespace } from "../../proc/links.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import { readStat, type Stat } from "../../proc/stat.ts"
import { readShm } from "../../proc/sysvipc.ts"
import { buildIdOf } from "../build-ids.ts"
import type { DumpedConnections } from "../connections.ts"
import type { Gathered } from "./gather.ts"
import { extensionHead } from "./gather.ts"
import { type CollectedMemory, collectMemory } from "./memory.ts"
import { sharedMemoryBy } from "./shared-memory.ts"
import type { StoredPages } from "./store-pages.ts"
import type { InspectedThread } from "./threads.ts"

/** What has been read of one process when its files and memory come to be looked at. */
export interface Source {
  readonly pid: number
  readonly threads: readonly Pick<InspectedThread, "frozen" | "rseq">[]
  readonly mappings: readonly MappingDetail[]
  readonly gathered: Gathered
}

/** What /proc says of a member of the tree, dead or alive. */
export interface MemberStat {
  readonly stat: Stat
  readonly ppid: number
  readonly dead: boolean
}

/** All of one process but its pages, as entries. */
interface ProcessState extends Gathered {
  readonly pid: number
  readonly memory: CollectedMemory
  readonly entry: ReturnType<typeof collectMm>
  readonly fs: ReturnType<typeof collectFs>
  readonly vmaExtension: ReturnType<typeof collectVmaExtension>
}

/** What belongs to a tree as a whole, and is not read here: its connections, and what its threads have together. */
interface TreeWide extends Pick<DumpedConnections, "connections" | "runId" | "network"> {
  readonly cgroups: CollectedCgroups
  /** Seccomp filters. */
  readonly filters: FilterTable
}

/** All of a tree but its pages, as entries. */
export interface TreeState {
  readonly tree: readonly pstree_entry[]
  readonly dead: readonly Stat[]
  readonly processes: readonly ProcessState[]
  readonly objects: ReadonlyMap<number, ObjectIds>
  readonly table: FileTable<SharedMemory>
  /** Shared memory without a name, and memfds. */
  readonly memfds: readonly SharedMemory[]
  /** System V segments. */
  readonly sysv: readonly SysvSegment[]
  readonly descriptors: ReturnType<typeof collectDescriptors>
  readonly clocks: timens_entry | undefined
  /** The tree is in a time namespace that is not the tool's. */
  readonly ownTime: boolean
  readonly treeWide: TreeWide
}

/** What is read from outside: files, areas, bounds, sharing. Changes nothing; exact only while the processes are stopped. */
export function collectState(
  sources: readonly Source[],
  members: readonly MemberStat[],
  options: FileOptions & Omit<CollectMoment, "clock">,
  treeWide: TreeWide,
  objects: ReadonlyMap<number, ObjectIds>,
): TreeState {
  const [root] = sources
  if (!root) throw new Error("Unreachable: a tree without a living process")
  const byMember = new Map(members.map((member) => [member.stat.pid, member]))
  const split = surveyObjects(objects, (pid) => byMember.get(pid)?.ppid ?? 0)
  const byPid = new Map(sources.map((source) => [source.pid, source]))
  const attached = findAttached(ownersOf(objects, "vm_id").flatMap((pid) => byPid.get(pid) ?? []))
  const rows = attached.size > 0 ? readShm() : []
  split.push(...surveySysvSegments(attached, rows, undefined))
  if (split.length > 0) throw refusedTarget(root.pid, split)
  const threadsOf = new Map(sources.map(({ pid, threads }) => [pid, threads.map(({ frozen: { tid } }) => tid)]))
  const windows = joinWindows(ownersOf(objects, "vm_id").flatMap((pid) => byPid.get(pid)?.gathered.windows ?? []))
  const table = new FileTable<SharedMemory>(sharedMemoryBy(windows), options, options.fileValidation === "buildid" ? buildIdOf : undefined)
  const insiders = ownersOf(objects, "files_id").map((pid) => ({
    pid,
    threads: threadsOf.get(pid) ?? [],
    group: byMember.get(pid)?.stat.pgrp ?? 0,
  }))
  // What runs is only looked at in part.
  const whole = options.stopped ? { members: new Set(byMember.keys()) } : {}
  const descriptors = collectDescriptors(insiders, table, { ...options, ...whole, clock: clocksOf(root.pid) }, treeWide.connections)
  const processes = sources.map(({ pid, mappings, gathered }): ProcessState => {
    const memory = collectMemory(pid, mappings, table.of(pid))
    const stat = byMember.get(pid)?.stat ?? readStat(pid)
    const entry = { ...collectMm(stat, gathered.brk, readAuxv(pid).pairs.flat(), memory.vmas, table.exe(pid)), ...gathered.mm }
    const extension = { ...gathered.extension, ...collectEnds(stat, gathered.isStopped) }
    return {
      ...gathered,
      extension,
      pid,
      memory,
      entry,
      fs: collectFs(pid, gathered.umask, table),
      vmaExtension: collectVmaExtension(mappings, gathered.policies),
    }
  })
  const sysv = collectSysv(attached, rows, mayFollowMapped() ? undefined : windows)
  return {
    tree: members.map(({ stat, ppid }) => collectTree(stat, ppid, threadsOf.get(stat.pid) ?? [stat.pid])),
    dead: members.flatMap(({ stat, dead }) => (dead ? [stat] : [])),
    processes,
    objects,
    table,
    memfds: numberApart(table.memfds, new Set(sysv.map(({ entry }) => entry.desc.id))),
    sysv,
    descriptors,
    clocks: collectClocks(root.pid),
    ownTime: readNamespace(root.pid, "time") !== ownNamespaces().get("time"),
    treeWide,
  }
}

/** Writes every image but the pages. */
export function writeMetadata(images: Pick<ImageTransaction, "write">, state: TreeState, stored: readonly StoredPages[]): void {
  const { tree, dead, processes, objects, table, memfds, sysv, descriptors, clocks, ownTime, treeWide } = state
  const { cgroups, filters, connections, runId, network } = treeWide
  images.write("inventory", undefined, [collectInventory(runId, OWN_SET, network())])
  images.write("pstree", undefined, tree)
  if (clocks) images.write("timens", clocksId(ownTime), [clocks])
  for (const stat of dead) {
    images.write("core", stat.pid, [collectDeadCore(stat)])
    const ends = collectEnds(stat, false)
    if (ends.exit_signal !== undefined) images.write("stasis-core", stat.pid, [{ ...extensionHead, ...ends }])
  }
  for (const { pid, threads, entry, fs, extension, vmaExtension } of processes) {
    const ids = objects.get(pid)
    if (!ids) throw new Error(`Unreachable: process ${pid} has no object ids`)
    images.write("ids", pid, [collectIds(ids, ownTime)])
    const { cores, extensions } = threads()
    for (const [tid, core] of cores) {
      const thread_core = core.thread_core && { ...core.thread_core, cg_set: cgroups.setOf(tid) }
      images.write("core", tid, [thread_core ? { ...core, thread_core } : core])
    }
    images.write("mm", pid, [entry])
    images.write("fs", pid, [fs])
    const own = descriptors.fdinfos.get(pid)
    if (own) images.write("fdinfo", ids.files_id, own)
    // Facts about open files and System V segments belong to no process: the first one carries them.
    const first = pid === processes[0]?.pid
    const files = first ? descriptors.extension : []
    const shm = first ? sysv.map((segment) => segment.extension) : []
    images.write("stasis-core", pid, [{ ...extension, threads: extensions, files, shm, descriptors: own?.length ?? 0, vmas: vmaExtension }])
  }
  const cgroup = cgroups.entry()
  if (cgroup) images.write("cgroup", undefined, [cgroup])
  for (const { kind, id, entries } of stored) images.write(kind, id, entries)
  images.write(
    "memfd",
    undefined,
    memfds.map(({ inode }) => inode),
  )
  if (sysv.length > 0)
    images.write(
      "ipcns-shm",
      IPC_NAMESPACE,
      sysv.map(({ entry }) => entry),
    )
  images.write("files", undefined, table.entries)
  images.write("remap-fpath", undefined, table.ghosts.remaps)
  for (const [number, parts] of table.ghosts.files) if (isInMemory(parts)) images.write("ghost-file", number, parts)
  images.write("filelocks", undefined, descriptors.locks)
  images.write("pipes-data", undefined, descriptors.pipesData)
  if (descriptors.skQueues.length > 0) images.write("sk-queues", undefined, descriptors.skQueues)
  images.write("fifo-data", undefined, descriptors.fifoData)
  if (descriptors.bpfMapsData.length > 0) images.write("bpfmap-data", undefined, descriptors.bpfMapsData)
  for (const [inode, stream] of connections?.streams ?? []) images.write("tcp-stream", inode, [stream])
  images.write("tty-info", undefined, descriptors.ttyInfos)
  images.write("tty-data", undefined, descriptors.ttyData)
  images.write("seccomp", undefined, [{ seccomp_filters: filters.entries }])
}
