import { closeSync, openSync } from "node:fs"
import { isatty } from "node:tty"
import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { SIG, sigbit, siginfo } from "../../ffi/abi/signal.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { decode } from "../../ffi/layout.ts"
import { attempt, type Syscall, SyscallError, syscallName } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { type ImageSet, openImages } from "../image/set.ts"
import { writeStats } from "../image/stats.ts"
import { applyFromOutside } from "../kinds/attributes/outside.ts"
import { readOrigin } from "../kinds/creds/origin.ts"
import { checkFiles } from "../kinds/files/check.ts"
import { findHole } from "../kinds/memory/holes.ts"
import { holeSize } from "../kinds/memory/shared.ts"
import { planVdso } from "../kinds/memory/vdso.ts"
import { restoreFpu, restoreRegisters } from "../kinds/registers/restore.x86_64.ts"
import { AT, readAuxv } from "../proc/auxv.ts"
import { readLimits } from "../proc/limits.ts"
import { readMaps } from "../proc/maps.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import { savedRseq } from "../rseq/image.ts"
import { kernelRegime } from "../rseq/regime.ts"
import { pokeRseqCs } from "../rseq/register.ts"
import { restartBlocked } from "../tracee/arch.x86_64.ts"
import type { Program } from "../tracee/program.ts"
import { memoryFile, spawnSeed } from "../tracee/seed.ts"
import { detach, getXstate, setRegisters, setSignalMask, setXstate } from "../tracee/trace.ts"
import { cleanupDeadline, type Deadline, deadlineIn, patienceOf, waitReport } from "../tracee/wait.ts"
import { openArea, openWorkshop, type Workshop, workshopSize } from "../tracee/workshop.ts"
import { buildEnd, buildProcess, buildSeal, buildThread, type Ground } from "./build.ts"
import { ServiceDescriptors } from "./descriptors.ts"
import { kernelAreas, readFills, readProcess, type SavedProcess, type SavedThread } from "./images.ts"
import type { RestoreOptions, RestoreReport } from "./options.ts"
import { announceReady } from "./ready.ts"
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
  const set = openImages(options.imagesDir)
  const saved = readProcess(set, options)
  const { pid } = saved.tree
  const terminal = [0, 1, 2].find((fd) => isatty(fd))
  checkFiles(saved.files, { pid, shellJob: options.shellJob, terminal: terminal !== undefined })
  {
    using _interrupts = holdInterrupts()
    const deadline = deadlineIn(options.timeoutSeconds)
    checkIdsFree(saved)
    runScripts(options.actionScripts, "pre-restore", { imagesDir: options.imagesDir })
    const pages = revive(set, saved, options, terminal, deadline)
    writeStats(options.workDir, "restore", {
      restore: {
        pages_compared: 0n,
        pages_skipped_cow: 0n,
        forking_time: 0,
        restore_time: microseconds(started),
        pages_restored: BigInt(pages),
      },
    })
    runScripts(options.actionScripts, "post-resume", { imagesDir: options.imagesDir, initPid: pid })
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

/** Who has a PID or TID now. */
function ownerOf(tid: number): { name: string; dying: boolean } | undefined {
  const status = readStatusIfAlive(tid)
  if (!status) return undefined
  const name = status.tgid === tid ? `process ${tid} "${status.name}"` : `thread ${tid} "${status.name}" of process ${status.tgid}`
  return { name, dying: status.state === "Z" || status.state === "X" }
}

/** Finds taken IDs before anything is created. IDs of the dying are waited for later. */
function checkIdsFree({ tree }: SavedProcess): void {
  for (const tid of tree.threads) {
    const owner = ownerOf(tid)
    if (owner && !owner.dying)
      throw new CheckpointError(
        "E_PID_TAKEN",
        `Cannot restore process ${tree.pid}`,
        `${tid === tree.pid ? "PID" : "thread ID"} ${tid} belongs to ${owner.name}`,
        "End that process, or restore in a PID namespace of its own",
      )
  }
}

/** A stop signal that nothing in the images has pending: it would be lost. */
function stopSignalFor({ tc, threads }: SavedProcess): number {
  const queues = [tc.signals_s, ...threads.map(({ core }) => core.signals_p)]
  const pending = queues.reduce(
    (set, queue) => (queue?.signals ?? []).reduce((bits, { siginfo: info }) => bits | sigbit(decode(siginfo, info).si_signo), set),
    0n,
  )
  for (let signal = 64; signal > 0; signal--) if (!(pending & sigbit(signal)) && signal !== SIG.KILL && signal !== SIG.STOP) return signal
  throw new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    "Cannot restore this process",
    "every signal there is is pending",
    "Restore it with CRIU",
  )
}

/** Creates the process, fills it and lets it go. @returns pages restored */
function revive(set: ImageSet, saved: SavedProcess, options: RestoreOptions, ownTerminal: number | undefined, deadline: Deadline): number {
  const { tree, threads } = saved
  const { pid } = tree
  using services = new ServiceDescriptors(saved.files.fdinfos.map(({ fd }) => fd))
  const opened: number[] = []
  const share = (fd: number): number => {
    opened.push(fd)
    return services.share(fd)
  }
  const areaFile = memoryFile("stasis", 0, true)
  const areaFd = services.share(areaFile)
  const terminal = ownTerminal === undefined ? undefined : services.share(ownTerminal)
  const exe = services.reserve()
  const files = new Map<string, number>()
  const fileOf = (path: string): number => {
    const known = files.get(path) ?? share(openSync(path, "r"))
    files.set(path, known)
    return known
  }
  const privatePages = [...readFills(set, "pagemap", pid, kernelAreas(saved))].map(([path, fills]) => ({ fd: fileOf(path), fills }))
  const segments = new Map(
    saved.segments.map(({ shmid }) => {
      const [only] = set.has("pagemap-shmem", shmid) ? [...readFills(set, "pagemap-shmem", shmid)] : []
      return [shmid, only ? { fd: fileOf(only[0]), fills: only[1] } : { fd: -1, fills: [] }] as const
    }),
  )

  spawnSeed(pid, options.sibling, deadline, (tid) => ownerOf(tid) ?? { name: "a process that just ended", dying: true })
  let done = false
  try {
    const mappings = readMaps(pid)
    const used = [...saved.mm.vmas, ...mappings]
    const area = findHole(used, AREA_ROOM)
    const hole = findHole([...used, area], holeSize(saved.segments)).start
    const auxv = readAuxv(process.pid)
    const number = (type: bigint): number | undefined => (auxv.value(type) === null ? undefined : Number(auxv.value(type)))
    const ground: Ground = {
      services: services.numbers,
      pages: privatePages,
      segments,
      placeholder: areaFd,
      exe,
      terminal,
      area,
      hole,
      moves: planVdso(saved.mm.vmas, mappings) ?? [],
      origin: readOrigin(pid),
      limits: readLimits(pid),
      kernelRseq: { featureSize: number(AT.RSEQ_FEATURE_SIZE), align: number(AT.RSEQ_ALIGN) },
      strict: options.strict,
    }
    const perThread = (build: (thread: SavedThread) => Program): Map<number, Program> =>
      new Map(threads.map((thread) => [thread.tid, build(thread)]))
    const first = new Map([[pid, buildProcess(saved, ground)]])
    const own = perThread((thread) => buildThread(saved, thread, ground))
    const seal = perThread((thread) => buildSeal(saved, thread, ground))
    const end = new Map([[pid, buildEnd(saved, ground)]])
    log.debug(`the first program has ${first.get(pid)?.length} calls`)

    const size = Math.max(...[first, own, seal, end].map((programs) => workshopSize([...programs.values()])))
    attempt("ftruncate", areaFile, size)
    using shared = openArea(areaFile, size)
    const workshop = openWorkshop(pid, areaFd, shared, area.start, stopSignalFor(saved), patienceOf(0))
    workshop.run(first)
    for (const { tid } of threads) if (tid !== pid) workshop.adopt(tid)
    for (const { core } of threads) {
      const rseq = savedRseq(core.rseq_entry)
      // CRIU's images may hold a stale pointer, and some kernels look at it when the area is registered.
      if (rseq) pokeRseqCs(pid, rseq.abiPointer, 0n)
    }
    workshop.run(own)
    applyFromOutside(pid, { entry: saved.tc, extension: saved.extension })
    runScripts(options.actionScripts, "post-restore", { imagesDir: options.imagesDir, initPid: pid })
    workshop.run(seal)
    workshop.run(end)
    const registers = finalRegisters(saved, workshop)
    const states = threads.map(({ tid, info, extension }) => extension?.extra_xstate ?? restoreFpu(info.fpregs, getXstate(tid), tid))
    runScripts(options.actionScripts, "pre-resume", { imagesDir: options.imagesDir, initPid: pid })
    workshop.remove(pid)
    threads.forEach((thread, i) => {
      setRegisters(thread.tid, registers[i] as Registers)
      setXstate(thread.tid, states[i] as Uint8Array)
      setSignalMask(thread.tid, maskOf(saved, thread))
      const rseq = savedRseq(thread.core.rseq_entry)
      if (!rseq?.rseqCs) return
      warnOfRegime(thread.tid)
      pokeRseqCs(pid, rseq.abiPointer, rseq.rseqCs)
    })
    for (const { tid } of threads) if (tid !== pid) detach(tid)
    detach(pid)
    done = true
  } catch (error) {
    throw asRestoreError(pid, error)
  } finally {
    if (!done) killHalfBuilt(pid)
    for (const fd of opened) closeSync(fd)
  }
  return privatePages.reduce((sum, { fills }) => sum + fills.reduce((pages, { length }) => pages + Number(length / 4096n), 0), 0)
}

/** What this kernel will do to a thread that goes on inside a NO_RESTART section. */
function warnOfRegime(tid: number): void {
  const fate = { honoured: undefined, fatal: "kills it when it is next interrupted there", ignored: "may abort it there as any other" }[
    kernelRegime()
  ]
  if (fate) log.warn(`thread ${tid} goes on inside a restartable sequence that must not be restarted: this kernel ${fate}`)
}

const maskOf = ({ tree, tc }: SavedProcess, { tid, core }: SavedThread): bigint =>
  tid === tree.pid ? tc.blk_sigset : (core.blk_sigset ?? 0n)

/** Registers to let each thread go with. Waits whose time left is known are armed again, so that the kernel goes on with them. */
function finalRegisters(saved: SavedProcess, workshop: Workshop): Registers[] {
  return saved.threads.map(({ tid, info, extension }) => {
    const registers = restoreRegisters(info.gpregs, tid)
    const restart = extension?.restart
    if (!restart || restart.remaining_sec === undefined) return registers
    const time = new Uint8Array(new BigUint64Array([restart.remaining_sec, BigInt(restart.remaining_nsec ?? 0)]).buffer)
    const call = syscallName(restart.syscall_nr) as Syscall
    const args = [...restart.args]
    const answer = workshop.interruptCall(
      tid,
      call,
      (data) => (call === "nanosleep" ? [data, args[1] ?? 0n] : [args[0] ?? 1n, 0, data, args[3] ?? 0n]),
      time,
    )
    if (answer === -516n) return restartBlocked(registers, restart.syscall_nr)
    return answer === 0n ? { ...registers, ax: 0n } : registers
  })
}

/** A call that failed in the new process, told as what it means for the restore. */
function asRestoreError(pid: number, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error
  const next = "Compare this machine with the one of the dump (files, limits, kernel: stasis check), or read the log of -v4"
  return new CheckpointError("E_RESTORE", `Cannot build process ${pid}`, "a call in it failed", next, error)
}

/** Nothing survives a failed restore: no process, no PID taken. */
function killHalfBuilt(pid: number): void {
  attempt("kill", pid, SIG.KILL)
  try {
    while (waitReport(pid, cleanupDeadline(), `the end of process ${pid}`).kind !== "gone");
  } catch (error) {
    log.warn(`the half-built process ${pid} was killed but has not ended yet: ${error}`)
  }
}
