import { randomUUID } from "node:crypto"
import { SIG } from "../../ffi/abi/signal.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { attempt, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { ioFailure } from "../image/failure.ts"
import { writeStats } from "../image/stats.ts"
import { beginImages, type ImageTransaction } from "../image/transaction.ts"
import { collectFs } from "../kinds/cwd/collect.ts"
import { collectDescriptors } from "../kinds/files/collect.ts"
import { FileTable } from "../kinds/files/table.ts"
import { collectMm, collectVmaExtension } from "../kinds/memory/collect.ts"
import { type Range, without } from "../kinds/memory/holes.ts"
import { collectSegment } from "../kinds/memory/shared.ts"
import { collectIds, collectInventory, collectTree } from "../kinds/tree/collect.ts"
import { readAuxv } from "../proc/auxv.ts"
import type { MappingDetail } from "../proc/smaps.ts"
import { readStat } from "../proc/stat.ts"
import { readStatus } from "../proc/status.ts"
import { listThreadsIfAlive } from "../proc/tasks.ts"
import { imagePatches } from "../rseq/fixup.ts"
import { findGadgets } from "../tracee/gadgets.ts"
import { borrow, chooseStopSignal, findLeftovers, framePagesSize, type LoanTerms, loanSize } from "../tracee/loan.ts"
import { type FrozenProcess, seizeProcess } from "../tracee/seize.ts"
import { checkDeadline, cleanupDeadline, deadlineIn, patienceOf, waitReport } from "../tracee/wait.ts"
import { askAll, gather } from "./gather.ts"
import { allocateBlocks, codeRanges, collectLayout, frozenMappings, savePages, saveSegment, untouchedPages } from "./layout.ts"
import type { DumpOptions, DumpReport } from "./options.ts"
import { announceReady } from "./ready.ts"
import { runScripts } from "./scripts.ts"
import { type Survey, survey } from "./survey.ts"
import { type InspectedThread, inspectThreads } from "./threads.ts"

const log = logger("dump")
const microseconds = (since: number): number => Math.round((performance.now() - since) * 1000)

/**
 * Saves a process as a set of images; then kills it, or lets it go on.
 *
 * Until the set is complete and on the disk the process can go on exactly as it was: on any error it does.
 *
 * @throws CheckpointError; no image is left then, and an older set is untouched
 */
export async function dump(options: DumpOptions): Promise<DumpReport> {
  const started = performance.now()
  const { pid, imagesDir, leaveRunning, leaveStopped } = options
  const before = survey(options)
  using _interrupts = holdInterrupts()
  const deadline = deadlineIn(options.timeoutSeconds)
  using images = beginImages(imagesDir, { sync: options.sync, allocate: allocateBlocks })
  const pagesFile = preparePages(images, before)
  runScripts(options.actionScripts, "pre-dump", { imagesDir, initPid: pid })
  const facts = { pages: 0, bytes: 0, threads: 0, freezing: 0, memory: 0, frozen: 0 }
  {
    using frozen = seizeProcess(
      pid,
      deadline,
      () => listThreadsIfAlive(pid) ?? [],
      (tid) => readStatus(pid, tid).tracerPid,
    )
    facts.freezing = microseconds(frozen.frozenAt)
    facts.threads = frozen.threads.length
    try {
      saveProcess(frozen, before, images, pagesFile, options, facts)
    } catch (error) {
      throw asDumpError(pid, error)
    }
    // A script at post-dump may copy files that belong to the images: the process waits for it.
    const thawEarly = leaveRunning && options.actionScripts.length === 0
    if (thawEarly) {
      frozen[Symbol.dispose]()
      facts.frozen = microseconds(frozen.frozenAt)
    }
    checkDeadline(deadlineIn(0), "the dump")
    facts.bytes = images.bytesWritten
    images.commit()
    runScripts(options.actionScripts, "post-dump", { imagesDir, initPid: pid })
    if (leaveStopped) frozen.ending = "stop"
    else if (!leaveRunning) kill(frozen)
    if (!thawEarly) {
      frozen[Symbol.dispose]()
      facts.frozen = microseconds(frozen.frozenAt)
    }
  }
  writeStats(options.workDir, "dump", dumpStats(facts))
  announceReady(options, pid)
  log.info(`frozen for ${facts.frozen} µs`)
  return {
    pid,
    threads: facts.threads,
    imagesDir,
    bytes: facts.bytes,
    frozenMicroseconds: facts.frozen,
    wallMicroseconds: microseconds(started),
    leftRunning: leaveRunning || leaveStopped,
  }
}

/** A call that failed while the process was saved, told as what it means for the dump. */
function asDumpError(pid: number, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error
  if (error.call === "pwrite64") return ioFailure(`Cannot write the pages of task ${pid}`, error)
  const action = `Cannot dump task ${pid}`
  if (error.errno === "ESRCH")
    return new CheckpointError(
      "E_TARGET_DIED",
      action,
      "it ended while it was frozen",
      "Find out who killed it; no image was written",
      error,
    )
  return new CheckpointError("E_INJECTION", action, "a call failed", "Read the log of -v4; the task runs on as before", error)
}

interface Facts {
  pages: number
  bytes: number
  threads: number
  freezing: number
  memory: number
  frozen: number
}

/** Pages file of the process itself; shared segments are numbered after it. */
const PROCESS_PAGES = 1

/** Takes the room that the private memory will need: allocating it in the freeze would make that three times longer. */
function preparePages(images: ImageTransaction, { smaps }: Survey): ReturnType<ImageTransaction["pages"]> {
  const file = images.pages(PROCESS_PAGES)
  const estimate = smaps.reduce((sum, { anonymous, swap, shared }) => sum + (shared ? 0 : anonymous + swap), 0) * 1024
  if (estimate > 1 << 20) file.preallocate(estimate)
  return file
}

/** What the target lends for injection. @throws CheckpointError E_INJECTION naming what it lacks */
function findTerms(frozen: FrozenProcess, threads: readonly InspectedThread[], mappings: readonly MappingDetail[]): LoanTerms {
  const { pid } = frozen
  const action = `Cannot ask task ${pid} about itself`
  const gadgets = findGadgets(pid, codeRanges(mappings))
  if (!gadgets)
    throw new CheckpointError(
      "E_INJECTION",
      action,
      "it has no system call instruction in any readable executable mapping",
      "Run it with the vdso enabled",
    )
  const framePages = untouchedPages(pid, mappings, framePagesSize(frozen))
  if (!framePages) throw new CheckpointError("E_INJECTION", action, "every page of its writable memory is in use", "Give it a larger stack")
  const union = (pick: (thread: InspectedThread) => bigint): bigint => threads.reduce((set, thread) => set | pick(thread), 0n)
  const pending = union(({ status }) => status.sigPending | status.sharedPending)
  const stopSignal = chooseStopSignal(
    union(({ status }) => status.sigCaught),
    union(({ frozen: { mask } }) => mask),
    pending,
  )
  if (stopSignal === undefined)
    throw new CheckpointError(
      "E_INJECTION",
      action,
      "it uses SIGURG, SIGWINCH, SIGCHLD and SIGCONT all at once",
      "Let the program leave one of them at its default",
    )
  return { gadgets, framePages, stopSignal }
}

/** Areas that an earlier, killed run left behind, unless a thread is still in one. They go with the next questions. */
function removableLeftovers(frozen: FrozenProcess, mappings: readonly MappingDetail[]): Range[] {
  const candidates = mappings.filter(({ exec, write, inode, path }) => exec && !write && inode === 0n && path === "")
  const inUse = ({ start, end }: Range): boolean => frozen.threads.some(({ registers: { ip } }) => ip >= start && ip < end)
  const leftovers = findLeftovers(frozen.pid, candidates).filter((area) => !inUse(area))
  if (leftovers.length > 0) log.warn(`task ${frozen.pid}: removing what a killed run of stasis left in it`)
  return leftovers
}

/** The frozen part: reads everything and writes it under temporary names. */
function saveProcess(
  frozen: FrozenProcess,
  before: Survey,
  images: ImageTransaction,
  pagesFile: ReturnType<ImageTransaction["pages"]>,
  options: DumpOptions,
  facts: Facts,
): void {
  const { pid } = frozen
  const threads = inspectThreads(frozen, options)
  const everything = frozenMappings(pid, before.smaps)
  const leftovers = removableLeftovers(frozen, everything)
  // The kernel may have merged the end of a leftover with a neighbour of the program's own: cut, never drop.
  const mappings = everything.flatMap((mapping) => without(mapping, leftovers).map((part) => ({ ...mapping, ...part })))
  const questions = askAll(
    pid,
    frozen.threads.map(({ tid }) => tid),
  )
  for (const { start, end } of leftovers) questions.programs.get(pid)?.call("munmap", start, end - start)
  using loan = borrow(
    frozen,
    findTerms(frozen, threads, mappings),
    loanSize(frozen, [...questions.programs.values()]),
    patienceOf(options.timeoutSeconds),
  )
  const answers = loan.run(questions.programs)
  const { cores, extension, mm: memory } = gather(pid, threads, questions, answers)

  const table = new FileTable(pid, collectSegment)
  const descriptors = collectDescriptors(pid, table, options)
  const { vmas, ranges } = collectLayout(pid, mappings, table)
  const stat = readStat(pid)
  const leader = answers.get(pid)
  if (!leader) throw new Error("Unreachable: the leader was asked")
  const mm = { ...collectMm(stat, leader, questions.process.brk, readAuxv(pid).words, vmas, table.exe()), ...memory }
  const fs = collectFs(pid, table)

  const copying = performance.now()
  facts.pages = savePages(images, pid, PROCESS_PAGES, ranges, pagesFile, imagePatches(threads.map(({ rseq }) => rseq)))
  table.segments.forEach((segment, index) => {
    facts.pages += saveSegment(images, segment, PROCESS_PAGES + 1 + index)
  })
  facts.memory = microseconds(copying)

  images.write("inventory", undefined, [collectInventory(randomUUID())])
  images.write(
    "pstree",
    undefined,
    collectTree(
      stat,
      frozen.threads.map(({ tid }) => tid),
    ),
  )
  images.write("ids", pid, [collectIds()])
  for (const [tid, core] of cores) images.write("core", tid, [core])
  images.write("mm", pid, [mm])
  images.write("fs", pid, [fs])
  images.write("files", undefined, table.entries)
  images.write(
    "memfd",
    undefined,
    table.segments.map(({ inode }) => inode),
  )
  images.write("fdinfo", collectIds().files_id, descriptors.fdinfos)
  images.write("pipes-data", undefined, descriptors.pipesData)
  images.write("tty-info", undefined, descriptors.ttyInfos)
  images.write("seccomp", undefined, [{ seccomp_filters: [] }])
  images.write("stasis-core", pid, [{ ...extension, files: descriptors.extension, vmas: collectVmaExtension(mappings) }])
}

/** Ends the saved process; its own parent reaps it. */
function kill(frozen: FrozenProcess): void {
  attempt("kill", frozen.pid, SIG.KILL)
  frozen.ending = "dead"
  // Threads first: the leader reports its end when it is the last.
  for (const { tid } of [...frozen.threads].reverse())
    while (waitReport(tid, cleanupDeadline(), `the end of thread ${tid}`).kind !== "gone");
}

const dumpStats = ({ pages, freezing, memory, frozen }: Facts) => ({
  dump: {
    freezing_time: freezing,
    frozen_time: frozen,
    memdump_time: memory,
    memwrite_time: memory,
    pages_scanned: BigInt(pages),
    pages_skipped_parent: 0n,
    pages_written: BigInt(pages),
    pages_lazy: 0n,
  },
})
