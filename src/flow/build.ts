import { CLONE } from "../../ffi/abi/clone.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { restoreThreadAttributes, sealProcess } from "../kinds/attributes/restore.ts"
import type { Origin } from "../kinds/creds/origin.ts"
import { restoreFs } from "../kinds/cwd/restore.ts"
import { openRegular } from "../kinds/files/open.ts"
import { restoreDescriptors } from "../kinds/files/restore.ts"
import { restoreForeground, restoreJob, restoreLocks } from "../kinds/files/tty/restore.ts"
import { type Range, toucher } from "../kinds/memory/holes.ts"
import type { Inheritance } from "../kinds/memory/inherit.ts"
import {
  clearLayout,
  type Fill,
  restoreInherited,
  restoreMm,
  restorePages,
  restoreProtection,
  restoreVmas,
} from "../kinds/memory/restore.ts"
import type { planVdso } from "../kinds/memory/vdso.ts"
import { readOnlineCpus } from "../kinds/sched/cpus.ts"
import { restoreSched } from "../kinds/sched/restore.ts"
import { discardSignals, restoreAltStack, restoreSigactions } from "../kinds/signals/restore.ts"
import { restoreRobustList, restoreTidAddress } from "../kinds/thread/restore.ts"
import { armTimers } from "../kinds/timers/restore.ts"
import { cloneTask } from "../kinds/tree/restore.ts"
import type { Limit } from "../proc/limits.ts"
import { savedRseq } from "../rseq/image.ts"
import { appendRegistration, chooseLength, type KernelRseq } from "../rseq/register.ts"
import { Program, type Result } from "../tracee/program.ts"
import { runsOf } from "./descriptors.ts"
import type { SavedProcess, SavedThread } from "./images.ts"

const log = logger("restore")

/** What every new process has, and what the tree starts from. */
export interface Ground {
  /** Numbers of ours in every new process. */
  readonly services: readonly number[]
  /** Any inherited descriptor, to fill a number with. */
  readonly placeholder: number
  /** Number at which a process opens its executable. */
  readonly exe: number
  /** Copy of the terminal that the tool runs on; undefined without one. */
  readonly terminal: number | undefined
  /** Inherited masters of new pairs, by the numbers of their terminals. */
  readonly masters: ReadonlyMap<number, number>
  /** Group that is in the foreground of the terminal that a shell's job inherits; undefined for what is none. */
  readonly jobGroup: number | undefined
  /** Shared memory that the root has made, by inode id. */
  readonly segments: ReadonlyMap<number, number>
  /** Open files that the root has made for several processes, by file id; and who finishes each. */
  readonly shared: ReadonlyMap<number, number>
  readonly finisher: ReadonlyMap<number, number>
  /** Every process of the tree. */
  readonly pids: ReadonlySet<number>
  /** Signals that zombies sent to their parents, by parent. */
  readonly endSignals: ReadonlyMap<number, readonly number[]>
  /** Where nothing of any process will be: for the stub. */
  readonly area: Range
  readonly origin: Origin
  readonly limits: readonly Limit[]
  readonly kernelRseq: KernelRseq
  readonly strict: boolean
}

/** What one new process makes itself; the rest it shares with the task that cloned it. */
export interface Share {
  readonly memory: boolean
  readonly files: boolean
  readonly directories: boolean
  readonly handlers: boolean
}

/** What one new process is made from. */
export interface Plot {
  /** Pages files that all have open: fills by descriptor, for the private memory. */
  readonly pages: readonly { readonly fd: number; readonly fills: readonly Fill[] }[]
  readonly moves: NonNullable<ReturnType<typeof planVdso>>
  readonly makes: Share
  /** Memory that came by birth and is kept. */
  readonly inherited: Inheritance | undefined
  /** The memory is made before children are born that inherit it, so it is not made again. */
  readonly early: boolean
  /** The executable that the process has by birth, as a file id; undefined = the seed's. */
  readonly exe: number | undefined
}

/** Appends the opening of a file of files.img for a mapping: a path, or shared memory that exists already. */
function fileOpener(saved: SavedProcess, { segments }: Ground, program: Program): (id: number, access: number) => Result {
  return (id, access) => {
    const entry = saved.files.files.get(id)
    if (entry?.reg) return openRegular(program, entry.reg, access)
    const made = entry?.memfd && segments.get(entry.memfd.inode_id)
    if (made === undefined)
      throw new CheckpointError(
        "E_IMAGE_CORRUPT",
        "Cannot restore memory",
        `a mapping names file ${id}, which files.img does not have`,
        "Use another image set",
      )
    return program.call("dup", made)
  }
}

/** The directories that an fs entry names. */
function directories({ files: { files } }: SavedProcess, program: Program): Parameters<typeof restoreFs>[1] {
  const entry = (id: number) => {
    const reg = files.get(id)?.reg
    if (reg) return reg
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      "Cannot restore the directories",
      `one is file ${id}, which files.img does not have`,
      "Use another image set",
    )
  }
  return { path: (id) => entry(id).name, open: (id, flags) => openRegular(program, entry(id), flags) }
}

/** What opening files looks at. */
export const fileOptions = (
  { tree }: SavedProcess,
  { services, placeholder, terminal, masters, shared, finisher, origin, pids }: Ground,
) => {
  const { uid } = origin.status
  return {
    reserved: new Set(services),
    placeholder,
    terminals: { terminal, masters },
    self: { uid: uid.real, euid: uid.effective },
    inherited: shared,
    finishes: (id: number) => finisher.get(id) === tree.pid,
    isBorn: (tid: number) => pids.has(tid),
  }
}

/** Appends everything of a process's memory. */
export function appendMemory(
  saved: SavedProcess,
  { pages, moves, inherited, exe: bornWith }: Plot,
  ground: Ground,
  program: Program,
): void {
  const { tree, mm, extension } = saved
  clearLayout(moves, [ground.area, ...(inherited?.kept.map(({ area }) => area) ?? [])], program)
  const filled = pages.flatMap(({ fills }) => fills.map(({ start, length }) => ({ start, end: start + length })))
  const isFilled = toucher(filled.sort((a, b) => (a.start < b.start ? -1 : 1)))
  if (inherited) restoreInherited(inherited, isFilled, program)
  restoreVmas(mm.vmas, fileOpener(saved, ground, program), isFilled, inherited, program)
  for (const { fd, fills } of pages) restorePages(fills, fd, program)
  restoreProtection(mm.vmas, extension?.vmas ?? [], isFilled, inherited, program)
  if (bornWith === mm.exe_file_id) {
    restoreMm(mm, undefined, program)
    return
  }
  const exe = saved.files.files.get(mm.exe_file_id)?.reg
  if (!exe)
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      `Cannot restore process ${tree.pid}`,
      `its executable is file ${mm.exe_file_id}, which files.img does not have`,
      "Use another image set",
    )
  const opened = openRegular(program, exe, 0)
  program.call("dup3", opened, ground.exe, 0)
  program.call("close", opened)
  restoreMm(mm, ground.exe, program)
}

/** First program of a process whose whole tree is born: everything that its threads share, then the threads themselves. */
export function buildProcess(saved: SavedProcess, plot: Plot, ground: Ground): Program {
  const { tree, threads, tc } = saved
  const { makes } = plot
  const program = new Program()
  if (makes.memory && !plot.early) appendMemory(saved, plot, ground, program)
  const control = { ...ground, ttyInfos: saved.files.ttyInfos }
  if (tree.sid === tree.pid) restoreForeground(tree.pid, control, program)
  else if (tree.ppid === 0 && ground.jobGroup !== undefined) restoreJob(ground.jobGroup, control, program)
  if (makes.files) restoreDescriptors(saved.files, program, fileOptions(saved, ground))
  if (makes.handlers) {
    discardSignals(ground.endSignals.get(tree.pid) ?? [], program)
    restoreSigactions(tc.sigactions, program, "all but SIGCHLD")
  }
  for (const { tid } of threads) if (tid !== tree.pid) cloneTask(program, tid, THREAD_FLAGS, 0, `thread ${tid}`)
  if (makes.directories) restoreFs(saved.fs, directories(saved, program), program)
  return program
}

const THREAD_FLAGS = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM

/** Second program of each thread: what is its own, rseq last. */
export function buildThread(saved: SavedProcess, thread: SavedThread, ground: Ground): Program {
  const { info, core, extension, tid } = thread
  const program = new Program()
  restoreTidAddress(info.clear_tid_addr, program)
  restoreRobustList(core, program)
  restoreAltStack(core.sas, program)
  restoreSched(core, extension, readOnlineCpus(), program)
  const comm = tid === saved.tree.pid ? saved.tc.comm : (core.comm ?? saved.tc.comm)
  restoreThreadAttributes(comm, extension, saved.extension?.personality, program)
  const rseq = savedRseq(core.rseq_entry)
  if (rseq) {
    const choice = chooseLength(rseq, ground.kernelRseq, ground.strict)
    if ("refused" in choice)
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        `Cannot register rseq of thread ${tid}`,
        choice.refused,
        "Restore on the kernel of the dump",
      )
    if (choice.warning) log.warn(`thread ${tid}: ${choice.warning}`)
    appendRegistration(program, rseq, choice.size)
  }
  return program
}

/** Last program, in the leader: what credentials of any thread would reset, then clocks start to run, and nothing of ours stays open. */
export function buildEnd({ tree, tc, mm, extension, files }: SavedProcess, { makes }: Plot, ground: Ground): Program {
  const program = new Program()
  const { services } = ground
  if (tree.ppid === 0) restoreLocks({ ...ground, ttyInfos: files.ttyInfos }, program)
  sealProcess({ mm, extension }, program)
  if (makes.files) for (const [first, last] of runsOf(services)) program.call("close_range", first, last, 0)
  if (tc.timers) armTimers(tc.timers, program)
  return program
}
