import { refusedTarget } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { remoteAddress } from "../../base/units.ts"
import { decideRestart, type Restart } from "../../kinds/registers/interrupted.ts"
import { readSeccomp, refuseListeners, type Seccomp } from "../../kinds/seccomp/collect.ts"
import type { Mapping } from "../../proc/maps.ts"
import { readStatus, type Status } from "../../proc/status.ts"
import { discover, otherGuesses } from "../../rseq/discover.ts"
import { applyFixup, refuseMalformed, resumedRegisters } from "../../rseq/fixup.ts"
import { readRseqState } from "../../rseq/inspect.ts"
import { believe, refuseUnknownSection } from "../../rseq/proof.ts"
import { kernelRegime } from "../../rseq/regime.ts"
import type { RseqState } from "../../rseq/state.ts"
import type { FrozenProcess, FrozenThread } from "../../tracee/frozen.ts"
import { readMemoryIfMapped } from "../../tracee/memory.ts"
import { suspendSeccomp } from "../../tracee/suspend.ts"
import type { DumpOptions } from "../options.ts"
import { lazyGuesses, writableBy } from "../rseq/guess.ts"
import { withoutRestart } from "./filtered.ts"

const log = logger("rseq")

/** One frozen thread with all that was read before anything was run in it. */
export interface InspectedThread {
  readonly frozen: FrozenThread
  readonly status: Status
  readonly rseq: RseqState
  /** False when the registration is a guess, see `proveGuesses`. */
  readonly proven: boolean
  /** What it is instead when another guess turns out to be right. */
  readonly others: readonly RseqState[]
  readonly restart: Restart
  readonly seccomp: Seccomp
}

/**
 * Reads what must be read first: restartable sequences, interrupted calls, pending signals, seccomp. Nothing is changed.
 *
 * @param before mappings of before the freeze
 * @throws CheckpointError E_RSEQ_MALFORMED · E_UNSUPPORTED a seccomp listener · E_PERMISSION · E_KERNEL rseq cannot be found out
 */
export function inspectThreads(
  process: FrozenProcess,
  before: readonly Mapping[],
  { rseqDiscovery, rseqMalformed }: Pick<DumpOptions, "rseqDiscovery" | "rseqMalformed">,
): InspectedThread[] {
  const { pid } = process
  const read = (address: bigint, length: number): Uint8Array | undefined => readMemoryIfMapped(pid, remoteAddress(address), length)
  const context = lazyGuesses(pid)
  const isWritable = writableBy(pid, before)
  const threads = process.threads.map((frozen): InspectedThread => {
    const status = readStatus(pid, frozen.tid)
    const discovery = discover(frozen, rseqDiscovery, context)
    const stateWith = (found: typeof discovery): RseqState => readRseqState(pid, frozen, found, kernelRegime, isWritable)
    const { rseq, others } = believe(stateWith(discovery), otherGuesses(frozen, discovery, rseqDiscovery, context).map(stateWith))
    if (!discovery.proven) refuseUnknownSection(rseq, frozen.registers, context.guesses)
    const signalled = ((status.sigPending | status.sharedPending) & ~frozen.mask) !== 0n
    const seccomp = readSeccomp(frozen.tid, status.seccomp)
    const restart = withoutRestart(seccomp, frozen, decideRestart(frozen.tid, frozen.registers, signalled, read))
    return { frozen, status, rseq, others, proven: discovery.proven, seccomp, restart }
  })
  const listeners = threads.flatMap(({ frozen: { tid }, seccomp }) => refuseListeners(`thread ${tid} of task ${pid}`, seccomp))
  if (listeners.length > 0) throw refusedTarget(pid, listeners)
  refuseMalformed(
    pid,
    threads.map(({ rseq }) => rseq),
    rseqMalformed,
  )
  return threads
}

/**
 * Prepares the threads of a process for injection: where each goes on, its restartable sequence, and seccomp, which is suspended. Nothing
 * else has changed a thread since it was stopped.
 *
 * @returns the threads with what the image has of them
 * @throws CheckpointError E_PERMISSION seccomp cannot be suspended · SyscallError EFAULT the area of a malformed restartable sequence
 *   cannot be written
 */
export function prepareThreads(process: FrozenProcess, threads: readonly InspectedThread[]): InspectedThread[] {
  return threads.map((thread) => {
    const { frozen, rseq, restart } = thread
    if (rseq.warning) log.warn(`thread ${frozen.tid}: ${rseq.warning}`)
    if (rseq.class !== "idle" && rseq.class !== "unregistered")
      log.info(`thread ${frozen.tid}: rseq ${rseq.class} at 0x${rseq.ip.toString(16)}`)
    if (restart.resume) frozen.resume = restart.resume
    applyFixup(frozen, rseq, thread.proven)
    if (thread.seccomp.mode !== 0) suspendSeccomp(frozen.tid, process.traceOptions)
    // A thread sent to its abort handler has nothing to restart.
    if (rseq.class === "abortable")
      return { ...thread, restart: { image: resumedRegisters(frozen.registers, rseq), resume: undefined, entry: undefined } }
    return thread
  })
}
