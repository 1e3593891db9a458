import { CAP } from "../../../ffi/abi/caps.ts"
import { CheckpointError } from "../../base/errors.ts"
import { checkSettable } from "../../kinds/attributes/login-uid.ts"
import { readMostFiles, unsettableLimits } from "../../kinds/limits/check.ts"
import { checkFpu, restoreRegisters } from "../../kinds/registers/restore.x86_64.ts"
import { readLimits } from "../../proc/limits.ts"
import { mayOnMachine } from "../../proc/rights.ts"
import { lookAtFeature } from "../features/features.ts"
import type { SavedTree } from "../images.ts"
import { raisedLimits } from "./birth.ts"
import { freeStubSignal } from "./stub-signal.ts"

/** Features without which no restore works, as far as a look at them makes no process. */
const NEEDED = ["pr_set_mm_map", "memfd_create", "close_range", "page_size"] as const

/** What this machine or this user lacks for any restore: CheckpointErrors E_KERNEL. */
export const hostComplaints = (): CheckpointError[] =>
  NEEDED.map(lookAtFeature)
    .filter(({ present }) => present === false)
    .map(
      ({ name, detail, lost }) =>
        new CheckpointError("E_KERNEL", "Cannot restore here", `${name} is missing: ${detail}`, `Without it is lost: ${lost}`),
    )

/**
 * Checks of what each thread and process of a set wants from this machine and user: registers, extended state, a free signal.
 *
 * @returns checks that throw E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT · E_RESTORE
 */
export function* processChecks(saved: SavedTree): Generator<() => void> {
  yield () => void freeStubSignal(saved)
  for (const {
    tree: { pid },
    threads,
    tc: { loginuid },
  } of saved.processes) {
    yield () => checkSettable(pid, loginuid)
    for (const { tid, info, extension } of threads) {
      yield () => void restoreRegisters(info.gpregs, tid)
      yield () => checkFpu(info.fpregs, extension?.extra_xstate, tid)
    }
  }
}

/** Limits that this user cannot give on this machine: CheckpointErrors E_RESTORE. */
export function limitComplaints({ processes }: SavedTree): CheckpointError[] {
  const current = raisedLimits(readLimits(process.pid))
  const rights = { mayRaise: mayOnMachine(CAP.SYS_RESOURCE), mostFiles: readMostFiles() }
  const next = "Raise it for stasis (ulimit, sysctl), or restore as root"
  return processes.flatMap(({ tree: { pid }, tc: { rlimits } }) =>
    (rlimits ? unsettableLimits(rlimits, current, rights) : []).map(
      (found) => new CheckpointError("E_RESTORE", `Cannot restore process ${pid}`, found, next),
    ),
  )
}
