import { PR } from "../../../ffi/abi/prctl.ts"
import { IOPRIO_WHO_PROCESS, NICE_OFFSET, PRIO_PROCESS, SCHED, SCHED_FLAG, SCHED_RESET_ON_FORK, schedAttr } from "../../../ffi/abi/sched.ts"
import { type Decoded, decode } from "../../../ffi/layout.ts"
import { allocate, attempt, isFailure, syscall } from "../../../ffi/syscall.ts"
import type { thread_core_entry } from "../../../proto/gen/core_pb.ts"
import type { stasis_thread_entry } from "../../../proto/gen/stasis_pb.ts"
import type { Program, Result } from "../../tracee/program.ts"
import { MASK_SIZE } from "./cpus.ts"

/** What CRIU's image says about scheduling. */
export type SchedEntry = Pick<thread_core_entry, "sched_policy" | "sched_prio" | "sched_nice">
/** What only our extension says. */
export type SchedExtension = Pick<
  stasis_thread_entry,
  | "cpu_affinity"
  | "timerslack_ns"
  | "ioprio"
  | "uclamp_min"
  | "uclamp_max"
  | "sched_flags"
  | "sched_runtime"
  | "sched_deadline"
  | "sched_period"
>

const memory = allocate(4096)
const UCLAMP_FULL = 1024
const IOPRIO_CLASS_SHIFT = 13

/** Of this tool, which nobody changes meanwhile. */
let ours: Decoded<typeof schedAttr> | undefined

/** Policies whose tasks have a real-time priority instead of a nice value in force. */
export const isRealTime = (policy: number): boolean => policy === SCHED.FIFO || policy === SCHED.RR

/**
 * Appends the question for a thread's timer slack to its own program: /proc/TID/timerslack_ns wants CAP_SYS_NICE. Man page:
 * PR_GET_TIMERSLACK(2const)
 */
export const askTimerSlack = (program: Program): Result => program.call("prctl", PR.GET_TIMERSLACK, 0, 0, 0, 0)

/**
 * How a thread is scheduled, asked from outside. Mirror: ./restore.ts
 *
 * @param slack its timer slack, ns; 0 = it has none, being real-time
 * @throws SyscallError ESRCH it is gone
 * Kernel: sched_getattr(2), sched_getaffinity(2), getpriority(2), ioprio_get(2)
 */
export function collectSched(tid: number, slack: bigint): { entry: SchedEntry; extension: SchedExtension } {
  const { sched_policy, sched_flags, sched_priority, ...attr } = getAttributes(tid)
  const resets = sched_flags & BigInt(SCHED_FLAG.RESET_ON_FORK) ? SCHED_RESET_ON_FORK : 0
  const sched_nice = NICE_OFFSET - syscall("getpriority", PRIO_PROCESS, tid)
  const entry = { sched_policy: sched_policy | resets, sched_nice, ...(isRealTime(sched_policy) ? { sched_prio: sched_priority } : {}) }
  const length = syscall("sched_getaffinity", tid, MASK_SIZE, memory.address)
  const extension: SchedExtension = { cpu_affinity: memory.bytes.slice(0, length), timerslack_ns: slack }
  const ioprio = ioPriorityOf(tid)
  if (ioprio !== undefined) extension.ioprio = ioprio
  const flags = sched_flags & ~BigInt(SCHED_FLAG.RESET_ON_FORK)
  if (flags) extension.sched_flags = flags
  ours ??= getAttributes(0)
  // A kernel without clamps tells 0 of everybody.
  if (ours.sched_util_max) Object.assign(extension, clampsOf(attr, isRealTime(sched_policy)))
  if (sched_policy === SCHED.DEADLINE) {
    extension.sched_runtime = attr.sched_runtime
    extension.sched_deadline = attr.sched_deadline
    extension.sched_period = attr.sched_period
    // Since 6.12 a fair task answers its slice here, chosen or not; ours is the one that nobody chose.
  } else if (!isRealTime(sched_policy) && ours.sched_policy === SCHED.OTHER && attr.sched_runtime !== ours.sched_runtime) {
    extension.sched_runtime = attr.sched_runtime
  }
  return { entry, extension }
}

/** The I/O priority that a thread was given; undefined = none, or it is gone. Man page: ioprio_get(2) */
export function ioPriorityOf(tid: number): number | undefined {
  const ioprio = attempt("ioprio_get", IOPRIO_WHO_PROCESS, tid)
  return !isFailure(ioprio) && ioprio >> IOPRIO_CLASS_SHIFT ? ioprio : undefined
}

/**
 * Utilization clamps of a thread that has others than a new one: a real-time thread may use all of a CPU's speed from the start.
 * Documentation/scheduler/sched-util-clamp.rst
 */
export function clampsOf(
  { sched_util_min: uclamp_min, sched_util_max: uclamp_max }: Pick<Decoded<typeof schedAttr>, "sched_util_min" | "sched_util_max">,
  realTime: boolean,
): Pick<SchedExtension, "uclamp_min" | "uclamp_max"> {
  const usual = uclamp_max === UCLAMP_FULL && uclamp_min === (realTime ? UCLAMP_FULL : 0)
  return usual ? {} : { uclamp_min, uclamp_max }
}

function getAttributes(tid: number): Decoded<typeof schedAttr> {
  memory.bytes.fill(0, 0, schedAttr.size)
  syscall("sched_getattr", tid, memory.address, schedAttr.size, 0)
  return decode(schedAttr, memory.bytes)
}
