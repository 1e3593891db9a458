import type { core_entry } from "../../proto/gen/core_pb.ts"
import type { file_entry } from "../../proto/gen/fdinfo_pb.ts"
import type { pagemap_entry } from "../../proto/gen/pagemap_pb.ts"
import type { pstree_entry } from "../../proto/gen/pstree_pb.ts"
import type { rseq_entry } from "../../proto/gen/rseq_pb.ts"
import type { vma_entry } from "../../proto/gen/vma_pb.ts"
import { PE, TASK, VMA } from "../../proto/values.ts"
import { PAGE } from "../base/units.ts"
import type { EntryOf } from "../image/catalog.ts"
import { pagesOf, storedFlags } from "../image/pagemap-entry.ts"
import type { ImageSet } from "../image/set.ts"
import { fileFlags } from "./show-descriptor.ts"
import { lockWords, STATES } from "./show-words.ts"

/** Status bits of areas with a file behind. */
const FILE_AREA = VMA.FILE_PRIVATE | VMA.FILE_SHARED
const NAMED: readonly (readonly [number, string])[] = [
  [VMA.VSYSCALL, "[vsyscall]"],
  [VMA.VDSO, "[vdso]"],
  [VMA.VVAR, "[vvar]"],
  [VMA.HEAP, "[heap]"],
  [VMA.GUARD, "[guard]"],
  [VMA.AIORING, "[aio]"],
  [VMA.SYSVIPC, "[sysvipc]"],
]
const GROWSDOWN = 0x100

/** A thread as the set has it. */
export interface ShownThread {
  readonly tid: number
  readonly name: string
  /** Where it goes on; undefined for an architecture that is not x86-64 or AArch64. */
  readonly ip: bigint | undefined
  /** The instruction as module+offset, when a file or a named area holds it. */
  readonly at: string
  readonly rseq: rseq_entry | undefined
  /** Class of the freeze; "registered" or "unregistered" where nobody wrote it down. */
  readonly rseqClass: string
}

/** An area, with how many of its pages are in the images. */
export interface ShownArea {
  readonly vma: vma_entry
  readonly name: string
  /** Pages in this set, and in a parent or left at the source. */
  readonly stored: bigint
  readonly elsewhere: bigint
}

/** An open descriptor. */
export interface ShownDescriptor {
  readonly fd: number
  readonly cloexec: boolean
  readonly id: number
  readonly file: file_entry | undefined
  /** Of the open file, as words. */
  readonly flags: string
  /** What else is to be said of it. */
  readonly note: string
}

/** A process, put together from its images. */
export interface ShownProcess {
  readonly entry: pstree_entry
  readonly name: string
  readonly state: string
  readonly threads: readonly ShownThread[]
  readonly areas: readonly ShownArea[]
  readonly descriptors: readonly ShownDescriptor[]
  readonly exe: string
  readonly cwd: string
  readonly root: string
}

/** Files of the set by id. */
export type Files = ReadonlyMap<number, file_entry>

const memoryName = ({ memfd }: file_entry): string => (memfd ? `memfd inode ${memfd.inode_id}` : "")
const pathOf = (files: Files, id: number | undefined): string => {
  const file = id === undefined ? undefined : files.get(id)
  return file ? (file.reg?.name ?? memoryName(file)) : ""
}
const ipOf = ({ thread_info, ti_aarch64 }: core_entry): bigint | undefined => thread_info?.gpregs.ip ?? ti_aarch64?.gpregs.pc

function areaName(vma: vma_entry, files: Files, names: ReadonlyMap<bigint, string>): string {
  const special = NAMED.find(([bit]) => vma.status & bit)
  if (special) return special[1]
  if (vma.status & FILE_AREA) {
    const file = files.get(Number(vma.shmid))
    if (file?.reg) return file.reg.name
    return vma.status & VMA.MEMFD && file?.memfd ? memoryName(file) : `file ${vma.shmid}`
  }
  const own = names.get(vma.start)
  if (own) return `[anon:${own}]`
  return vma.flags & GROWSDOWN ? "[stack]" : ""
}

/** Pages of each area in the runs. Both lists ascend, except guard ranges, which come last and hold nothing. */
function countPages(vmas: readonly vma_entry[], runs: readonly pagemap_entry[], wanted: (flags: number) => boolean): bigint[] {
  let at = 0
  return vmas.map(({ start, end }) => {
    let pages = 0n
    while (at > 0 && at < runs.length && runs[at]!.vaddr >= start) at--
    for (; at < runs.length; at++) {
      const run = runs[at]!
      const last = run.vaddr + pagesOf(run) * PAGE
      if (last <= start) continue
      if (run.vaddr >= end) break
      const before = run.vaddr < start ? start - run.vaddr : 0n
      const after = last > end ? last - end : 0n
      if (wanted(storedFlags(run))) pages += pagesOf(run) - (before + after) / PAGE
      if (last > end) break
    }
    return pages
  })
}

function areasOf(set: ImageSet, pid: number, files: Files, own: EntryOf<"stasis-core"> | undefined): ShownArea[] {
  if (!set.has("mm", pid)) return []
  const { vmas } = set.one("mm", pid)
  const runs = set.optional("pagemap", pid).slice(1) as pagemap_entry[]
  const names = new Map(own?.vmas.flatMap(({ start, name }) => (name === undefined ? [] : [[start, name] as const])))
  const stored = countPages(vmas, runs, (flags) => (flags & PE.PRESENT) !== 0)
  const elsewhere = countPages(vmas, runs, (flags) => (flags & PE.PRESENT) === 0 && (flags & (PE.PARENT | PE.LAZY)) !== 0)
  return vmas.map((vma, index) => ({
    vma,
    name: areaName(vma, files, names),
    stored: stored[index] ?? 0n,
    elsewhere: elsewhere[index] ?? 0n,
  }))
}

function place(ip: bigint | undefined, areas: readonly ShownArea[]): string {
  if (ip === undefined) return ""
  const area = areas.find(({ vma }) => ip >= vma.start && ip < vma.end)
  if (!area?.name) return ""
  const offset = ip - area.vma.start + (area.vma.status & FILE_AREA ? area.vma.pgoff : 0n)
  return `${area.name.split("/").at(-1)}+0x${offset.toString(16)}`
}

function classOf(rseq: rseq_entry | undefined, found: string | undefined): string {
  if (found) return found
  if (!rseq || rseq.rseq_abi_pointer === 0n) return "unregistered"
  return rseq.rseq_cs_pointer ? "no-restart" : "registered"
}

const locksOf = (set: ImageSet, pid: number) => set.optional("filelocks").filter((lock) => lock.pid === pid)

/**
 * Puts one process together.
 *
 * @throws CheckpointError an image of it is missing or damaged
 */
export function readProcess(set: ImageSet, entry: pstree_entry, files: Files, notes: ReadonlyMap<number, string>): ShownProcess {
  const { pid } = entry
  const core = set.one("core", pid)
  const state = core.tc?.task_state ?? 0
  const own = set.optional("stasis-core", pid)[0]
  const areas = areasOf(set, pid, files, own)
  // A zombie's list of threads holds garbage.
  const tids = state === TASK.DEAD ? [] : entry.threads
  const threads = tids.map((tid): ShownThread => {
    const thread = tid === pid ? core : set.one("core", tid)
    const { rseq_entry: rseq, comm } = thread.thread_core ?? {}
    const ip = ipOf(thread)
    const found = own?.threads.find((other) => other.tid === tid)?.rseq_class
    return {
      tid,
      name: (tid === pid ? core.tc?.comm : comm) ?? comm ?? "",
      ip,
      at: place(ip, areas),
      rseq,
      rseqClass: classOf(rseq, found),
    }
  })
  const table = set.optional("ids", pid)[0]?.files_id
  const locks = new Map([...Map.groupBy(locksOf(set, pid), ({ fd }) => fd)].map(([fd, own]) => [fd, own.map(lockWords)]))
  const descriptors = table === undefined ? [] : set.optional("fdinfo", table)
  const fs = set.optional("fs", pid)[0]
  return {
    entry,
    name: core.tc?.comm ?? "",
    state: STATES[state] ?? `state ${state}`,
    threads,
    areas,
    descriptors: descriptors.map(({ fd, flags, id }) => {
      const file = files.get(id)
      const note = [notes.get(id) ?? [], locks.get(fd) ?? []].flat().join(", ")
      return { fd, cloexec: (flags & 1) !== 0, id, file, flags: file ? fileFlags(file, core.mtype) : "", note }
    }),
    exe: set.has("mm", pid) ? pathOf(files, set.one("mm", pid).exe_file_id) : "",
    cwd: pathOf(files, fs?.cwd_id),
    root: pathOf(files, fs?.root_id),
  }
}
