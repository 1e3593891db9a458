import type { Registers } from "../../../ffi/abi/registers.x86_64.ts"
import { SIG, sigbit } from "../../../ffi/abi/signal.ts"
import { usesTiles } from "../../../ffi/abi/xsave.x86_64.ts"
import { attempt, type Syscall, syscallName } from "../../../ffi/syscall.ts"
import { logger } from "../../base/log.ts"
import { restoreFpu, restoreRegisters } from "../../kinds/registers/restore.x86_64.ts"
import { readStatusIfAlive } from "../../proc/status.ts"
import { listThreadsIfAlive } from "../../proc/tasks.ts"
import { savedRseq } from "../../rseq/image.ts"
import { kernelRegime } from "../../rseq/regime.ts"
import { pokeRseqCs } from "../../rseq/register.ts"
import { answered, RESTART_BLOCK, restartBlocked } from "../../tracee/arch.x86_64.ts"
import { killing, standGuard } from "../../tracee/guard.ts"
import { awaitStop } from "../../tracee/halt.ts"
import type { StubArea } from "../../tracee/stub-area.ts"
import { detach, getXstate, outliveUs, setRegisters, setSignalMask, setXstate } from "../../tracee/trace.ts"
import { awaitGone, cleanupDeadline } from "../../tracee/wait.ts"
import type { SavedThread, SavedTree } from "../images.ts"
import { stopsAtOnce } from "./queues.ts"
import type { ReadyConnections } from "./restored-connections.ts"

const log = logger("restore")

/** What each thread is let go with. */
export interface Departure {
  readonly pid: number
  readonly thread: SavedThread
  readonly registers: Registers
  readonly xstate: Uint8Array
}

/**
 * Prepares every thread for its release. Waits whose time left is known are armed again, so that the kernel goes on with them.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED state that this CPU lacks
 */
export const prepareDepartures = ({ processes }: SavedTree, stubArea: StubArea): Departure[] =>
  processes.flatMap(({ tree: { pid }, threads }) =>
    threads.map((thread) => {
      const { tid, info, extension } = thread
      const xstate = extension?.extra_xstate ?? restoreFpu(info.fpregs, getXstate(tid), tid)
      if (usesTiles(xstate)) stubArea.useTiles(pid, tid)
      return { pid, thread, xstate, registers: rearmed(pid, thread, restoreRegisters(info.gpregs, tid), stubArea) }
    }),
  )

/** Registers of a thread whose sleep goes on with the time that was left; others as they are. */
function rearmed(pid: number, { tid, extension }: SavedThread, registers: Registers, stubArea: StubArea): Registers {
  const restart = extension?.restart
  if (!restart || restart.remaining_sec === undefined) return registers
  const time = new Uint8Array(new BigUint64Array([restart.remaining_sec, BigInt(restart.remaining_nsec ?? 0)]).buffer)
  const call = syscallName(restart.syscall_nr) as Syscall
  const [first = 0n, second = 0n, , fourth = 0n] = restart.args
  const answer = stubArea.interruptCall(pid, tid, call, (data) => (call === "nanosleep" ? [data, second] : [first, 0, data, fourth]), time)
  if (answer === RESTART_BLOCK) return restartBlocked(registers, restart.syscall_nr)
  return answer === 0n ? answered(registers, 0n) : registers
}

/** What this kernel will do to a thread that goes on inside a NO_RESTART section. */
const FATE = {
  honoured: undefined,
  fatal: "kills it when it is next interrupted there",
  ignored: "may abort it there as any other",
} as const

/**
 * Gives a thread its final registers. Precondition: the stub's area is gone or is not returned to, so nothing of ours runs in it any more.
 */
export function putRegisters({ thread: { tid }, registers, xstate }: Departure): void {
  setRegisters(tid, registers)
  setXstate(tid, xstate)
}

/**
 * Gives every thread its final state. Precondition: the stub's area is gone, and nothing of ours runs in any of them any more.
 *
 * @param stopped processes that are stopped already, see ./stops.ts
 */
export function settleThreads({ processes }: SavedTree, departures: readonly Departure[], stopped: ReadonlySet<number>): void {
  const masks = new Map(processes.map(({ tree, tc }) => [tree.pid, tc.blk_sigset]))
  for (const departure of departures) {
    const { pid, thread } = departure
    const { tid, core } = thread
    if (!stopped.has(pid)) putRegisters(departure)
    setSignalMask(tid, tid === pid ? (masks.get(pid) ?? 0n) : (core.blk_sigset ?? 0n))
    const rseq = savedRseq(core.rseq_entry)
    if (!rseq?.rseqCs) continue
    const fate = FATE[kernelRegime()]
    if (fate) log.warn(`thread ${tid} goes on inside a restartable sequence that must not be restarted: this kernel ${fate}`)
    pokeRseqCs(pid, rseq.abiPointer, rseq.rseqCs)
  }
}

/**
 * True when a SIGCONT has undone a stop that was held back: one that is still on its way is later than any stop, for each takes the others
 * out of the queues when it is sent. Kernel: kernel/signal.c prepare_signal()
 */
export const isUndone = (pid: number): boolean => isOnItsWay(pid, SIG.CONT)

/** Whether a signal is queued for a process or for its leader. False for one that is gone. */
export function isOnItsWay(pid: number, signal: number): boolean {
  const status = readStatusIfAlive(pid)
  return status !== null && ((status.sharedPending | status.sigPending) & sigbit(signal)) !== 0n
}

/**
 * Lets the tree run: all of it, or none when this tool is killed meanwhile. From one moment on it goes on whatever becomes of us: before
 * any of its connections is let go, whose peers could not be told a second time.
 *
 * What has been let go may end its process, kill another or execute a program before the rest is let go, and so may a stranger's SIGKILL:
 * which of them it was is not known, so it is told and fails nothing.
 *
 * @param stopped processes that have stopped already   @param stops those that somebody has stopped since they were born
 */
export function depart(
  { processes }: SavedTree,
  departures: readonly Departure[],
  stopped: ReadonlySet<number>,
  stops: ReadonlySet<number>,
  connections: ReadyConnections | undefined,
): void {
  // The kernel itself kills a process whole, with all its threads.
  const isGuarded = processes.length > 1 || connections !== undefined
  const undoing = [...(connections?.silence ?? []), ...killing(processes.map(({ tree }) => tree.pid))]
  using guard = isGuarded ? standGuard(undoing, connections?.keeps, connections?.releasing) : undefined
  connections?.endRepair()
  const stopping = new Set(stopped)
  for (const saved of processes) {
    const { pid } = saved.tree
    const isToStop = stopsAtOnce(saved) || (stops.has(pid) && !isUndone(pid))
    if (!isToStop || stopping.has(pid)) continue
    attempt("kill", pid, SIG.STOP)
    stopping.add(pid)
  }
  if (guard) {
    for (const { thread } of departures) outliveUs(thread.tid)
    guard.advance()
  }
  connections?.release()
  const lost = inOrderOfRelease(processes).flatMap(({ pid, tids }) => {
    const ended = tids.filter((tid) => !detach(tid))
    if (stopping.has(pid)) awaitStop(tids)
    return ended
  })
  guard?.dismiss()
  for (const { tree } of processes)
    if (lost.includes(tree.pid)) log.warn(`process ${tree.pid} ended, or executed a program, before all of it was let go`)
  for (const tid of lost) noticeEnd(tid)
}

/** All threads: children before their parents, who would see them traced; the leader of a process last of its own. */
const inOrderOfRelease = (processes: SavedTree["processes"]): { readonly pid: number; readonly tids: readonly number[] }[] =>
  processes
    .toReversed()
    .map(({ tree: { pid }, threads }) => ({ pid, tids: [...threads.map(({ tid }) => tid).filter((tid) => tid !== pid), pid] }))

/**
 * Takes notice of the end of a thread that was still traced. Until then its parent does not see its process end, and an execve in it does
 * not go on: for as long as this tool lives. A child of ours stays for whoever waits for it. Kernel: kernel/exit.c wait_consider_task()
 */
function noticeEnd(tid: number): void {
  const status = readStatusIfAlive(tid)
  if (!status || (status.tgid === tid && status.ppid === process.pid)) return
  try {
    awaitGone(tid, cleanupDeadline(), `the end of thread ${tid}`)
  } catch (error) {
    log.warn(`${error}`)
  }
}

/**
 * Nothing survives a failed restore: no process, no PID taken.
 *
 * @param wanted PIDs that were to be born; one that was not may belong to a stranger, who is left alone
 */
export function killHalfBuilt(wanted: readonly number[]): void {
  const pids = wanted.filter((pid) => readStatusIfAlive(pid)?.tracerPid === process.pid)
  const threads = pids.map((pid) => [pid, (listThreadsIfAlive(pid) ?? []).filter((tid) => tid !== pid)] as const)
  for (const pid of pids) attempt("kill", pid, SIG.KILL)
  for (const [pid, others] of threads)
    try {
      // Each thread is our tracee and stays until it is waited for; the leader reports its end only after them.
      for (const tid of others) awaitGone(tid, cleanupDeadline(), `the end of thread ${tid}`)
      awaitGone(pid, cleanupDeadline(), `the end of process ${pid}`)
    } catch (error) {
      log.warn(`the half-built process ${pid} was killed but has not ended yet: ${error}`)
    }
}
