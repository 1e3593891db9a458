import { SS_DISABLE } from "../../ffi/abi/signal.ts"
import type { core_entry, task_core_entry, thread_core_entry } from "../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../proto/gen/core-x86_pb.ts"
import type { stasis_restart_entry } from "../../proto/gen/stasis_pb.ts"
import { TASK } from "../../proto/values.ts"
import { CheckpointError, damagedImage } from "../base/errors.ts"
import { isTimedSleep } from "../kinds/registers/interrupted.ts"
import { faultOfTimers } from "../kinds/timers/restore.ts"

const X86_64 = 1
/** State of an alternate stack, all but SS_AUTODISARM: 0, SS_ONSTACK or SS_DISABLE. Header: include/uapi/linux/signal.h */
const MODE = 0x7fffffff

/** @throws CheckpointError E_IMAGE_CORRUPT, E_IMAGE_UNSUPPORTED the image of a thread lacks a part, or is another machine's */
export function checkCore(
  tid: number,
  { mtype, thread_info, thread_core, tc }: core_entry,
  leader: boolean,
): { info: thread_info_x86; core: thread_core_entry } {
  const action = `Cannot restore thread ${tid}`
  const bad = (found: string): CheckpointError => damagedImage(action, `core-${tid}.img ${found}`)
  if (mtype !== X86_64)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      action,
      `core-${tid}.img is of machine type ${mtype}, this is x86-64`,
      "Restore on the architecture of the dump",
    )
  if (!thread_info) throw bad("has no registers")
  if (!thread_core) throw bad("has no thread_core")
  if (((thread_core.sas?.ss_flags ?? 0) & MODE) > SS_DISABLE) throw bad("has an alternate stack in two states")
  if (leader !== (tc !== undefined)) throw bad(leader ? "has no task part" : "has a task part although it is no leader")
  return { info: thread_info, core: thread_core }
}

/** @throws CheckpointError E_IMAGE_CORRUPT, E_IMAGE_VERSION what a leader's image says of the process cannot be */
export function checkTask(pid: number, { task_state, timers, rlimits }: task_core_entry): void {
  const action = `Cannot restore process ${pid}`
  if (task_state !== TASK.ALIVE && task_state !== TASK.STOPPED)
    throw damagedImage(action, `its state is ${task_state}, known are ${TASK.ALIVE} alive, ${TASK.DEAD} dead and ${TASK.STOPPED} stopped`)
  if (!timers || !rlimits)
    throw new CheckpointError(
      "E_IMAGE_VERSION",
      action,
      `core-${pid}.img has no ${timers ? "limits" : "timers"}: the set is of CRIU before 2.0`,
      "Dump again with a newer program",
    )
  const fault = faultOfTimers(timers)
  if (fault !== undefined) throw damagedImage(action, `core-${pid}.img: ${fault}`)
}

/**
 * A call with a time left is run in the thread by its number: an image must not choose any other.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT
 */
export function checkRestart(pid: number, tid: number, restart: stasis_restart_entry | undefined): void {
  if (restart?.remaining_sec === undefined || isTimedSleep(restart.syscall_nr)) return
  throw damagedImage(
    `Cannot restore thread ${tid}`,
    `stasis-core-${pid}.img has a time left for system call ${restart.syscall_nr}, which is no sleep`,
  )
}
