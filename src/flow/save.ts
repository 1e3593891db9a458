import { readFileSync } from "node:fs"
import type { ImageTransaction } from "../image/transaction.ts"
import { collectFs } from "../kinds/cwd/collect.ts"
import { collectDescriptors } from "../kinds/files/collect.ts"
import { FileTable } from "../kinds/files/table.ts"
import { collectMm, collectVmaExtension } from "../kinds/memory/collect.ts"
import { without } from "../kinds/memory/holes.ts"
import { collectSegment } from "../kinds/memory/shared.ts"
import { collectIds, collectInventory, collectTree } from "../kinds/tree/collect.ts"
import { readAuxv } from "../proc/auxv.ts"
import type { MappingDetail } from "../proc/smaps.ts"
import { readStat } from "../proc/stat.ts"
import { imagePatches } from "../rseq/fixup.ts"
import { borrow } from "../tracee/loan.ts"
import { loanSize } from "../tracee/placement.ts"
import type { FrozenProcess } from "../tracee/seize.ts"
import { patienceOf } from "../tracee/wait.ts"
import { askAll, type Gathered, gather, questionAll, refuseStopped } from "./gather.ts"
import { findTerms, removableLeftovers } from "./inject.ts"
import { collectLayout, frozenMappings, type StoredPages, savePages, saveSegment } from "./layout.ts"
import type { DumpOptions } from "./options.ts"
import type { Survey } from "./survey.ts"
import { inspectThreads } from "./threads.ts"

/** What is left to do when the process may go on again: writing what was read. */
export interface Saved {
  /** Pages stored. */
  readonly pages: number
  /** Time that copying memory took, ms. */
  readonly copying: number
  /** Writes every image but the pages themselves. */
  writeMetadata(images: ImageTransaction): void
}

/** A random UUID. The kernel makes one faster than node:crypto is loaded. Man page: random(4) */
const newUuid = (): string => readFileSync("/proc/sys/kernel/random/uuid", "latin1").trim()

/** Pages file of the process itself; shared segments are numbered after it. */
export const PROCESS_PAGES = 1

/**
 * The frozen part of a dump: reads everything of the process, and copies its memory into the pages files.
 *
 * @param pagesFile of PROCESS_PAGES, made before the freeze
 * @throws CheckpointError, SyscallError: the process has been given back then
 */
export function saveProcess(
  frozen: FrozenProcess,
  before: Survey,
  images: ImageTransaction,
  pagesFile: ReturnType<ImageTransaction["pages"]>,
  options: DumpOptions,
): Saved {
  const { pid } = frozen
  const tids = frozen.threads.map(({ tid }) => tid)
  const threads = inspectThreads(frozen, options)
  const everything = frozenMappings(pid, before.smaps)
  const leftovers = removableLeftovers(frozen, everything)
  // The kernel may have merged the end of a leftover with a neighbour of the program's own: cut, never drop.
  const mappings =
    leftovers.length === 0
      ? everything
      : everything.flatMap((mapping) => without(mapping, leftovers).map((part) => ({ ...mapping, ...part })))
  const questions = askAll(pid, tids)
  for (const { start, end } of leftovers) questions.programs.get(pid)?.call("munmap", start, end - start)
  using loan = borrow(
    frozen,
    findTerms(frozen, threads, mappings, before.gadgets),
    loanSize(frozen, [...questions.programs.values()]),
    patienceOf(options.timeoutSeconds),
  )
  const { answers, statuses } = questionAll(pid, threads, questions, loan)
  refuseStopped(pid, questions, answers)
  const state = collectState(pid, tids, mappings, gather(pid, threads, statuses, questions, answers), options)
  const copyingSince = performance.now()
  const patches = imagePatches(threads.map(({ rseq }) => rseq))
  const stored = [
    savePages(pid, PROCESS_PAGES, state.ranges, pagesFile, patches),
    ...state.table.segments.map((segment, i) => saveSegment(images, segment, PROCESS_PAGES + 1 + i)),
  ]
  return {
    pages: stored.reduce((sum, { pages }) => sum + pages, 0),
    copying: performance.now() - copyingSince,
    writeMetadata: (images) => writeMetadata(images, state, stored),
  }
}

/** All of a process but its pages, as entries. */
type State = ReturnType<typeof collectState>

/** What is read from outside: files, areas, bounds. Changes nothing; exact only while the process is stopped. */
export function collectState(
  pid: number,
  tids: readonly number[],
  mappings: readonly MappingDetail[],
  gathered: Gathered,
  options: DumpOptions,
) {
  const table = new FileTable(pid, collectSegment)
  const descriptors = collectDescriptors(pid, table, options)
  const { vmas, ranges } = collectLayout(pid, mappings, table)
  const stat = readStat(pid)
  const mm = { ...collectMm(stat, gathered.brk, readAuxv(pid).pairs.flat(), vmas, table.exe()), ...gathered.mm }
  const fs = collectFs(pid, table)
  return {
    pid,
    tree: collectTree(stat, tids),
    ...gathered,
    table,
    descriptors,
    ranges,
    mm,
    fs,
    vmaExtension: collectVmaExtension(mappings),
  }
}

/** Writes every image but the pages. */
export function writeMetadata(images: Pick<ImageTransaction, "write">, state: State, stored: readonly StoredPages[]): void {
  const { pid, tree, cores, mm, fs, table, descriptors, extension, vmaExtension } = state
  images.write("inventory", undefined, [collectInventory(newUuid())])
  images.write("pstree", undefined, tree)
  images.write("ids", pid, [collectIds()])
  for (const [tid, core] of cores) images.write("core", tid, [core])
  images.write("mm", pid, [mm])
  images.write("fs", pid, [fs])
  for (const { kind, id, entries } of stored) images.write(kind, id, entries)
  const inodes = table.segments.map(({ inode }) => inode)
  images.write("memfd", undefined, inodes)
  images.write("files", undefined, table.entries)
  images.write("fdinfo", collectIds().files_id, descriptors.fdinfos)
  images.write("pipes-data", undefined, descriptors.pipesData)
  images.write("tty-info", undefined, descriptors.ttyInfos)
  images.write("seccomp", undefined, [{ seccomp_filters: [] }])
  images.write("stasis-core", pid, [
    { ...extension, files: descriptors.extension, descriptors: descriptors.fdinfos.length, vmas: vmaExtension },
  ])
}
