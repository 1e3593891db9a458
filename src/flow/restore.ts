import { closeSync, openSync } from "node:fs"
import { isatty } from "node:tty"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { SyscallError, syscall } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { remoteAddress } from "../base/units.ts"
import { type ImageSet, openImages } from "../image/set.ts"
import { writeStats } from "../image/stats.ts"
import { applyFromOutside } from "../kinds/attributes/outside.ts"
import { credsDifferences, readOrigin } from "../kinds/creds/origin.ts"
import { checkFiles } from "../kinds/files/check.ts"
import { findHole } from "../kinds/memory/holes.ts"
import { holeSize } from "../kinds/memory/shared.ts"
import { planVdso } from "../kinds/memory/vdso.ts"
import { AT, readAuxv } from "../proc/auxv.ts"
import { readLimits } from "../proc/limits.ts"
import { readMaps } from "../proc/maps.ts"
import { readStatus } from "../proc/status.ts"
import { pokeRseqCs } from "../rseq/register.ts"
import { memoryFile, spawnSeed } from "../tracee/seed.ts"
import { type Deadline, deadlineIn, patienceOf, waitReport } from "../tracee/wait.ts"
import { openArea, openWorkshop, workshopSize } from "../tracee/workshop.ts"
import { buildCreds, buildEnd, buildProcess, buildQueues, buildThread, credsOf, type Ground } from "./build.ts"
import { ServiceDescriptors } from "./descriptors.ts"
import { checkIdsFree, freeSignal, ownerOf } from "./ids.ts"
import { kernelAreas, readFills, readProcess, type SavedProcess, type SavedThread } from "./images.ts"
import type { RestoreOptions, RestoreReport } from "./options.ts"
import { announceReady } from "./ready.ts"
import { depart, killHalfBuilt, prepareDepartures } from "./release.ts"
import { runScripts } from "./scripts.ts"

const log = logger("restore")
const microseconds = (since: number): number => Math.round((performance.now() - since) * 1000)
/** Address space kept free for the stub's area: more than any program needs. */
const AREA_ROOM = 1n << 30n

/**
 * Brings a saved process back, with its PID, and lets it run.
 *
 * Everything is read, compiled and checked before anything is created. On any failure the half-built process is killed and reaped.
 *
 * @returns when the process runs (detached), else when it has ended
 * @throws CheckpointError
 */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const started = performance.now()
  const { imagesDir, shellJob } = options
  const set = openImages(imagesDir)
  const saved = readProcess(set, options)
  const { pid } = saved.tree
  const terminal = [0, 1, 2].find((fd) => isatty(fd))
  checkFiles(saved.files, { pid, shellJob, terminal: terminal !== undefined })
  {
    using _interrupts = holdInterrupts()
    const deadline = deadlineIn(options.timeoutSeconds)
    checkIdsFree(saved)
    runScripts(options.actionScripts, "pre-restore", { imagesDir })
    const pages = revive(set, saved, options, terminal, deadline)
    const times = { forking_time: 0, restore_time: microseconds(started) }
    writeStats(options.workDir, "restore", {
      restore: { pages_compared: 0n, pages_skipped_cow: 0n, ...times, pages_restored: BigInt(pages) },
    })
    runScripts(options.actionScripts, "post-resume", { imagesDir, initPid: pid })
    announceReady(options, pid)
  }
  log.info(`process ${pid} runs again after ${microseconds(started)} µs`)
  return { pid, exitStatus: options.detached ? undefined : waitForEnd(pid) }
}

/** Status of a child that has ended, as a shell tells it: 128 + signal when it was killed. */
function waitForEnd(pid: number): number {
  for (;;) {
    const report = waitReport(pid, deadlineIn(0), `the wait for process ${pid}`)
    if (report.kind !== "gone") continue
    const signal = report.status & 0x7f
    return signal === 0 ? (report.status >> 8) & 0xff : 128 + signal
  }
}

/** Opens the files of pages, each once, and copies them to where the new process inherits them. */
function sharePages(
  set: ImageSet,
  saved: SavedProcess,
  services: ServiceDescriptors,
  opened: number[],
): Pick<Ground, "pages" | "segments"> {
  const numbers = new Map<string, number>()
  const numberOf = (path: string): number => {
    const known = numbers.get(path)
    if (known !== undefined) return known
    const fd = openSync(path, "r")
    opened.push(fd)
    const number = services.share(fd)
    numbers.set(path, number)
    return number
  }
  const filesOf = (fills: ReturnType<typeof readFills>) => [...fills].map(([path, parts]) => ({ fd: numberOf(path), fills: parts }))
  const segments = saved.segments.flatMap(({ shmid }) => {
    const [stored] = set.has("pagemap-shmem", shmid) ? filesOf(readFills(set, "pagemap-shmem", shmid)) : []
    return stored ? [[shmid, stored] as const] : []
  })
  return { pages: filesOf(readFills(set, "pagemap", saved.tree.pid, kernelAreas(saved))), segments: new Map(segments) }
}

/** What the running kernel says of rseq lengths. */
function kernelRseq(): Ground["kernelRseq"] {
  const auxv = readAuxv(process.pid)
  const number = (type: bigint): number | undefined => (auxv.value(type) === null ? undefined : Number(auxv.value(type)))
  return { featureSize: number(AT.RSEQ_FEATURE_SIZE), align: number(AT.RSEQ_ALIGN) }
}

/** Creates the process, fills it and lets it go. @returns pages restored */
function revive(set: ImageSet, saved: SavedProcess, options: RestoreOptions, ownTerminal: number | undefined, deadline: Deadline): number {
  const { tree, mm } = saved
  const { pid } = tree
  using services = new ServiceDescriptors(saved.files.fdinfos.map(({ fd }) => fd))
  const areaFile = memoryFile("stasis", 0, true)
  const opened = [areaFile]
  let created = false
  let done = false
  try {
    const areaFd = services.share(areaFile)
    const terminal = ownTerminal === undefined ? undefined : services.share(ownTerminal)
    const exe = services.reserve()
    const shared = sharePages(set, saved, services, opened)
    spawnSeed(pid, options.sibling, deadline, (tid) => ownerOf(tid) ?? { name: "a process that just ended", dying: true })
    created = true
    const mappings = readMaps(pid)
    const used = [...mm.vmas, ...mappings]
    const area = findHole(used, AREA_ROOM)
    const ground: Ground = {
      ...shared,
      services: services.numbers,
      placeholder: areaFd,
      exe,
      terminal,
      area,
      hole: findHole([...used, area], holeSize(saved.segments)).start,
      moves: planVdso(mm.vmas, mappings) ?? [],
      origin: readOrigin(pid),
      limits: readLimits(pid),
      kernelRseq: kernelRseq(),
      strict: options.strict,
    }
    build(saved, ground, areaFile, areaFd, options)
    done = true
    return ground.pages.reduce((sum, { fills }) => sum + fills.reduce((pages, { length }) => pages + Number(length / 4096n), 0), 0)
  } catch (error) {
    throw asRestoreError(pid, error)
  } finally {
    if (created && !done) killHalfBuilt(pid)
    for (const fd of opened) closeSync(fd)
  }
}

/** Compiles the programs, has them run one after the other, and lets the process go. */
function build(saved: SavedProcess, ground: Ground, areaFile: number, areaFd: number, { actionScripts, imagesDir }: RestoreOptions): void {
  const { tree, threads, tc, extension } = saved
  const { pid } = tree
  const script = { imagesDir, initPid: pid }
  const perThread = <T>(make: (thread: SavedThread) => T): Map<number, T> => new Map(threads.map((thread) => [thread.tid, make(thread)]))
  const first = new Map([[pid, buildProcess(saved, ground)]])
  const own = perThread((thread) => buildThread(saved, thread, ground))
  const queues = perThread((thread) => buildQueues(saved, thread))
  const creds = perThread((thread) => buildCreds(saved, thread, ground))
  const end = new Map([[pid, buildEnd(saved, ground)]])
  log.debug(`the first program has ${first.get(pid)?.length} calls`)

  const size = Math.max(...[first, own, queues, creds, end].map((programs) => workshopSize([...programs.values()])))
  syscall("ftruncate", areaFile, size)
  using shared = openArea(areaFile, size)
  const workshop = openWorkshop(pid, areaFd, shared, ground.area.start, freeSignal(saved), patienceOf(0))
  workshop.run(first)
  for (const { tid, core } of threads) {
    if (tid !== pid) workshop.adopt(tid)
    // CRIU's images may hold a stale pointer, and some kernels look at it when the area is registered.
    if (core.rseq_entry?.rseq_abi_pointer) pokeRseqCs(pid, remoteAddress(core.rseq_entry.rseq_abi_pointer), 0n)
  }
  workshop.run(own)
  applyFromOutside(pid, { entry: tc, extension })
  workshop.run(queues)
  runScripts(actionScripts, "post-restore", script)
  workshop.run(creds)
  for (const thread of threads) checkCreds(pid, thread, ground)
  workshop.run(end)
  const departures = prepareDepartures(saved, workshop)
  runScripts(actionScripts, "pre-resume", script)
  workshop.remove(pid)
  depart(saved, departures)
}

/** Compares what a thread has with what it had: some of the calls that set it report no failure. */
function checkCreds(pid: number, { tid, core }: SavedThread, { origin }: Ground): void {
  const differences = credsDifferences(credsOf(tid, core), readStatus(pid, tid), origin.lastCap)
  if (differences.length > 0)
    throw new CheckpointError(
      "E_RESTORE",
      `Cannot restore the credentials of thread ${tid}`,
      differences.join("; "),
      "Restore as root with all capabilities",
    )
}

/** A call that failed in the new process, told as what it means for the restore. */
function asRestoreError(pid: number, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error
  const next = "Compare this machine with the one of the dump (files, limits, kernel: stasis check), or read the log of -v4"
  return new CheckpointError("E_RESTORE", `Cannot build process ${pid}`, "a call in it failed", next, error)
}
