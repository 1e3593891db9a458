import { PR } from "../../../ffi/abi/prctl.ts"
import { IOPRIO_WHO_PROCESS, PRIO_PROCESS, SCHED, SCHED_FLAG, SCHED_RESET_ON_FORK, schedAttr } from "../../../ffi/abi/sched.ts"
import { encode } from "../../../ffi/layout.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { overlaps } from "../../proc/bitlist.ts"
import type { Program } from "../../tracee/program.ts"
import { isRealTime, type SchedEntry, type SchedExtension } from "./collect.ts"

const log = logger("sched")
const FAIR: readonly number[] = [SCHED.OTHER, SCHED.BATCH, SCHED.IDLE, SCHED.EXT]
/** Those whose nice value sched_setattr(2) sets, not that of others. Kernel: kernel/sched/syscalls.c __setscheduler_params() */
const WITH_NICE: readonly number[] = [SCHED.OTHER, SCHED.BATCH, SCHED.EXT]

/**
 * Appends how a thread is scheduled to its own program. Mirror: ./collect.ts
 *
 * @param extension our extension; undefined for images of CRIU: affinity, I/O priority and timer slack stay as inherited
 * @param online CPUs of this host, see `readOnlineCpus`. A mask without any of them is not restored, with a warning
 * @throws CheckpointError E_IMAGE_CORRUPT values out of range · E_IMAGE_UNSUPPORTED a policy that cannot be set from what the image says
 *
 * Preconditions: all threads and children are made (SCHED_RESET_ON_FORK and SCHED_DEADLINE change what clones get); CAP_SYS_NICE is
 * not yet dropped. Kernel: sched_setattr(2)
 */
export function restoreSched(entry: SchedEntry, extension: SchedExtension | undefined, online: Uint8Array, program: Program): void {
  const { policy, nice, priority, resets } = validated(entry, extension)
  const { cpu_affinity, timerslack_ns } = extension ?? {}
  if (cpu_affinity && !overlaps(cpu_affinity, online))
    log.warn("none of the CPUs that a thread was bound to exists here: it may run on all of them")
  // The kernel leaves out CPUs that it does not have. Before the policy: SCHED_DEADLINE needs its CPUs when it is set.
  else if (cpu_affinity)
    program.callWith({ about: "the CPU affinity" }, "sched_setaffinity", 0, cpu_affinity.length, program.bytes(cpu_affinity))
  if (!WITH_NICE.includes(policy)) program.callWith({ about: `nice value ${nice}` }, "setpriority", PRIO_PROCESS, 0, nice)
  const clamps = extension?.uclamp_max !== undefined
  const attributes = encode(schedAttr, {
    size: schedAttr.size,
    sched_policy: policy,
    sched_flags:
      (extension?.sched_flags ?? 0n) |
      (resets ? BigInt(SCHED_FLAG.RESET_ON_FORK) : 0n) |
      (clamps ? BigInt(SCHED_FLAG.UTIL_CLAMP_MIN | SCHED_FLAG.UTIL_CLAMP_MAX) : 0n),
    sched_nice: nice,
    sched_priority: priority,
    sched_runtime: extension?.sched_runtime ?? 0n,
    sched_deadline: extension?.sched_deadline ?? 0n,
    sched_period: extension?.sched_period ?? 0n,
    sched_util_min: extension?.uclamp_min ?? 0,
    sched_util_max: extension?.uclamp_max ?? 0,
  })
  const about = `scheduling policy ${policy} priority ${priority} nice ${nice} (CAP_SYS_NICE, RLIMIT_NICE and RLIMIT_RTPRIO limit it)`
  program.callWith({ about }, "sched_setattr", 0, program.bytes(attributes), 0)
  if (!extension) return
  const ioprio = extension.ioprio ?? 0
  const aboutIo = `I/O priority ${ioprio}`
  // A kernel without block devices has none, and nothing of the tool's to take back.
  program.callWith({ about: aboutIo, ...(ioprio === 0 ? { expects: "ENOSYS" } : {}) }, "ioprio_set", IOPRIO_WHO_PROCESS, 0, ioprio)
  // 0 would mean "back to the default"; the kernel shows it for real-time threads, which have no slack.
  if (timerslack_ns) program.callWith({ about: `timer slack ${timerslack_ns} ns` }, "prctl", PR.SET_TIMERSLACK, timerslack_ns, 0, 0, 0)
}

/** The image's values where they make sense. CRIU's rules, and SCHED_DEADLINE with the times of our extension. */
function validated(
  { sched_policy = SCHED.OTHER, sched_nice: nice = 0, sched_prio: priority = 0 }: SchedEntry,
  extension: SchedExtension | undefined,
) {
  const policy = sched_policy & ~SCHED_RESET_ON_FORK
  const inRange = nice >= -20 && nice <= 19 && (isRealTime(policy) ? priority >= 1 && priority <= 99 : priority === 0)
  if (!inRange) throw damagedImage("Cannot restore scheduling", `policy ${policy} with priority ${priority} and nice ${nice} cannot be`)
  if (!FAIR.includes(policy) && !isRealTime(policy) && !(policy === SCHED.DEADLINE && extension?.sched_runtime))
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      "Cannot restore scheduling",
      `the image does not say enough about policy ${policy}`,
      "Dump the program with stasis, which keeps the times of SCHED_DEADLINE",
    )
  return { policy, nice, priority, resets: (sched_policy & SCHED_RESET_ON_FORK) !== 0 }
}
