import { CLONE, cloneArgs } from "../../ffi/abi/clone.ts"
import { PR } from "../../ffi/abi/prctl.ts"
import { SIG, siginfo } from "../../ffi/abi/signal.ts"
import { decode, encode } from "../../ffi/layout.ts"
import type { creds_entry } from "../../proto/gen/creds_pb.ts"
import type { signal_queue_entry } from "../../proto/gen/siginfo_pb.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { restoreAttributes, restoreThreadAttributes, sealProcess, sealThread } from "../kinds/attributes/restore.ts"
import type { Origin } from "../kinds/creds/origin.ts"
import { restoreCreds } from "../kinds/creds/restore.ts"
import { restoreFs } from "../kinds/cwd/restore.ts"
import { openRegular } from "../kinds/files/open.ts"
import { restoreDescriptors, restoreThreadOwners } from "../kinds/files/restore.ts"
import { restoreLimits } from "../kinds/limits/restore.ts"
import { type Range, toucher } from "../kinds/memory/holes.ts"
import { clearLayout, type Fill, restoreMm, restorePages, restoreProtection, restoreVmas } from "../kinds/memory/restore.ts"
import { restoreSegment } from "../kinds/memory/shared.ts"
import type { planVdso } from "../kinds/memory/vdso.ts"
import { readOnlineCpus } from "../kinds/sched/cpus.ts"
import { restoreSched } from "../kinds/sched/restore.ts"
import { restoreAltStack, restorePending, restoreSigactions } from "../kinds/signals/restore.ts"
import { restoreRobustList, restoreTidAddress } from "../kinds/thread/restore.ts"
import { armTimers, createPosixTimers, kernelRestoresTimerIds } from "../kinds/timers/restore.ts"
import { restoreSession } from "../kinds/tree/restore.ts"
import type { Limit } from "../proc/limits.ts"
import { savedRseq } from "../rseq/image.ts"
import { appendRegistration, chooseLength, type KernelRseq } from "../rseq/register.ts"
import { Program, type Result } from "../tracee/program.ts"
import { rangesOutside } from "./descriptors.ts"
import type { SavedProcess, SavedThread } from "./images.ts"

const log = logger("restore")

/** What the new process is given, and what it starts from. */
export interface Ground {
  /** Numbers of ours in the new process. */
  readonly services: readonly number[]
  /** Inherited pages files: fills by descriptor, for the private memory. */
  readonly pages: readonly { readonly fd: number; readonly fills: readonly Fill[] }[]
  /** The same for each shared segment, by shmid. */
  readonly segments: ReadonlyMap<number, { readonly fd: number; readonly fills: readonly Fill[] }>
  /** Any inherited descriptor, to fill a number with. */
  readonly placeholder: number
  /** Number at which the executable is opened. */
  readonly exe: number
  /** Copy of the terminal that the tool runs on; undefined without one. */
  readonly terminal: number | undefined
  /** Where nothing of the process will be: for the stub, and for shared memory while it is made. */
  readonly area: Range
  readonly hole: bigint
  readonly moves: NonNullable<ReturnType<typeof planVdso>>
  readonly origin: Origin
  readonly limits: readonly Limit[]
  readonly kernelRseq: KernelRseq
  readonly strict: boolean
}

/** Appends the opening of a file of files.img for a mapping: a path, or shared memory that is made here. */
function fileOpener(saved: SavedProcess, ground: Ground, program: Program): (id: number, access: number) => Result {
  const segments = new Map<number, Result>()
  return (id, access) => {
    const entry = saved.files.files.get(id)
    if (entry?.reg) return openRegular(program, entry.reg, access)
    const inode = saved.segments.find(({ inode_id }) => entry?.memfd && Number(inode_id) === entry.memfd.inode_id)
    if (!inode)
      throw new CheckpointError(
        "E_IMAGE_CORRUPT",
        "Cannot restore memory",
        `a mapping names file ${id}, which files.img does not have`,
        "Use another image set",
      )
    const made = segments.get(inode.shmid)
    if (made) return program.call("dup", made)
    const pages = ground.segments.get(inode.shmid) ?? { fd: -1, fills: [] }
    const fd = restoreSegment(inode, pages.fills, pages.fd, ground.hole, program)
    segments.set(inode.shmid, fd)
    return fd
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

/** First program, in the process's first thread: everything that all threads share, then the threads themselves. */
export function buildProcess(saved: SavedProcess, ground: Ground): Program {
  const { tree, mm, threads, extension } = saved
  const program = new Program()
  for (const [first, last] of rangesOutside(ground.services)) program.call("close_range", first, last, 0)
  program.call("prctl", PR.SET_PDEATHSIG, 0, 0, 0, 0)
  restoreSession(tree, program)
  clearLayout(ground.moves, ground.area, program)
  const filled = ground.pages.flatMap(({ fills }) => fills.map(({ start, length }) => ({ start, end: start + length })))
  const isFilled = toucher(filled.sort((a, b) => (a.start < b.start ? -1 : 1)))
  restoreVmas(mm.vmas, fileOpener(saved, ground, program), isFilled, program)
  for (const { fd, fills } of ground.pages) restorePages(fills, fd, program)
  restoreProtection(mm.vmas, extension?.vmas ?? [], isFilled, program)
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
  const { services, placeholder, terminal } = ground
  const { uid } = ground.origin.status
  const self = { uid: uid.real, euid: uid.effective }
  restoreDescriptors(saved.files, program, { pid: tree.pid, reserved: new Set(services), placeholder, terminal, self })
  restoreSigactions(saved.tc.sigactions, program, "all but SIGCHLD")
  for (const { tid } of threads) if (tid !== tree.pid) cloneThread(tid, program)
  restoreThreadOwners(saved.files, program, { pid: tree.pid, self })
  restoreFs(saved.fs, directories(saved, program), program)
  return program
}

/** Appends the birth of a thread: traced from its first moment, so that it stops before it runs anything. */
function cloneThread(tid: number, program: Program): void {
  const wanted = program.bytes(new Uint8Array(new Int32Array([tid]).buffer))
  const { VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PTRACE } = CLONE
  const args = program.bytes(encode(cloneArgs, { flags: VM | FS | FILES | SIGHAND | THREAD | SYSVSEM | PTRACE, set_tid_size: 1 }))
  program.point(args, cloneArgs.fields.set_tid[0], wanted)
  program.callWith({ about: `thread ${tid}`, returns: tid }, "clone3", args, cloneArgs.size)
}

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

/** Third program of each thread: what needs all threads to be there, and every queue of signals. */
export function buildQueues({ tree, tc, mm, extension }: SavedProcess, { tid, core }: SavedThread): Program {
  const { pid } = tree
  const program = new Program()
  if (tid === pid) {
    createPosixTimers(tc.timers?.posix ?? [], program, kernelRestoresTimerIds())
    restoreAttributes({ entry: tc, mm, extension }, program)
    restoreSigactions(tc.sigactions, program, "SIGCHLD")
    restorePending(withoutStop(tc.signals_s), program, { pid, tid, shared: true })
  }
  restorePending(withoutStop(core.signals_p), program, { pid, tid, shared: false })
  return program
}

const isStop = (info: Uint8Array): boolean => info.length >= siginfo.size && decode(siginfo, info).si_signo === SIG.STOP

/** SIGSTOP cannot be blocked, so it would stop the building: it is sent when all is done, see `stopIsPending`. */
const withoutStop = (queue: signal_queue_entry | undefined): signal_queue_entry | undefined =>
  queue && { signals: queue.signals.filter(({ siginfo: info }) => !isStop(info)) }

/** True when a SIGSTOP was on its way to the process. */
export const stopIsPending = ({ tc, threads }: SavedProcess): boolean =>
  [tc.signals_s, ...threads.map(({ core }) => core.signals_p)].some((queue) => queue?.signals.some(({ siginfo: info }) => isStop(info)))

/** Fourth program of each thread: what takes privileges away. */
export function buildCreds({ tree, tc }: SavedProcess, { tid, core }: SavedThread, { limits, origin }: Ground): Program {
  const program = new Program()
  if (tid === tree.pid && tc.rlimits) restoreLimits(tc.rlimits, program, limits)
  restoreCreds(credsOf(tid, core), program, origin)
  sealThread(core, program)
  return program
}

/** Credentials of a thread. @throws CheckpointError E_IMAGE_VERSION of CRIU before 2.0 */
export function credsOf(tid: number, { creds }: SavedThread["core"]): creds_entry {
  if (creds) return creds
  throw new CheckpointError(
    "E_IMAGE_VERSION",
    `Cannot restore thread ${tid}`,
    "its core image has no credentials",
    "Dump again with a newer program",
  )
}

/** Last program, in the leader: what credentials of any thread would reset, then clocks start to run, and nothing of ours stays open. */
export function buildEnd({ tc, mm, extension }: SavedProcess, { services }: Ground): Program {
  const program = new Program()
  sealProcess({ mm, extension }, program)
  for (const fd of services) program.callWith({ expects: "EBADF" }, "close", fd)
  if (tc.timers) armTimers(tc.timers, program)
  return program
}
