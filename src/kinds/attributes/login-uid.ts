import { CAP } from "../../../ffi/abi/caps.ts"
import { AT, O } from "../../../ffi/abi/file.ts"
import { CheckpointError } from "../../base/errors.ts"
import { readLoginUidIfAlive } from "../../proc/attributes.ts"
import { hasCapability } from "../../proc/rights.ts"
import type { Program } from "../../tracee/program.ts"

/** A login user ID that was never set. Kernel: include/linux/audit.h AUDIT_UID_UNSET */
const UNSET = 0xffffffff

/**
 * Appends the login user ID: the kernel takes it from nobody but the task itself. Whether it took it `checkLoginUid` tells. Mirror:
 * ./collect.ts
 *
 * Preconditions: the first calls of the leader, whose threads inherit it; /proc of the tool is there still. Kernel: fs/proc/base.c
 * proc_loginuid_write()
 */
export function restoreLoginUid(loginuid: number | undefined, program: Program): void {
  if (loginuid === undefined || loginuid === (readLoginUidIfAlive(process.pid) ?? loginuid)) return
  const [attempt, text] = [{ about: "the login user ID", mayFail: true }, `${loginuid}`]
  const fd = program.callWith(attempt, "openat", AT.FDCWD, program.string("/proc/self/loginuid"), O.WRONLY, 0)
  program.callWith(attempt, "write", fd, program.string(text), text.length)
  program.callWith(attempt, "close", fd)
}

const unsettable = (pid: number, wanted: number, current: number): CheckpointError =>
  new CheckpointError(
    "E_RESTORE",
    `Cannot restore the login user ID of task ${pid}`,
    `the kernel does not let it become ${wanted}, it is ${current}`,
    "Restore from a session without a login user ID (a service), or with CAP_AUDIT_CONTROL",
  )

/**
 * Whether a restored process has its login user ID: one that cannot be set is an error, as in CRIU; one that should not be set is kept.
 *
 * @returns what it is instead of none; undefined when it is right   @throws CheckpointError E_RESTORE
 */
export function checkLoginUid(pid: number, wanted: number | undefined): number | undefined {
  const current = readLoginUidIfAlive(pid)
  if (wanted === undefined || current === null || current === wanted) return undefined
  if (wanted !== UNSET) throw unsettable(pid, wanted, current)
  return current
}

/** Refuses a login user ID that this tool, which has one of its own, may not give. Kernel: kernel/audit.c audit_set_loginuid_perm() */
export function checkSettable(pid: number, wanted: number | undefined): void {
  const own = readLoginUidIfAlive(process.pid)
  if (wanted === undefined || own === null || own === UNSET || own === wanted || wanted === UNSET) return
  if (!hasCapability(CAP.AUDIT_CONTROL)) throw unsettable(pid, wanted, own)
}
