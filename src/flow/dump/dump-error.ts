import { FileError } from "../../../ffi/fs.ts"
import { SyscallError } from "../../../ffi/syscall.ts"
import { CheckpointError, type ErrorCode } from "../../base/errors.ts"
import { isEnding } from "../../proc/stat.ts"
import { listThreadsIfAlive } from "../../proc/tasks.ts"
import type { FrozenProcess } from "../../tracee/frozen.ts"
import { lackOfDescriptors } from "../../tracee/own-limit.ts"

/** Failures by which an end shows too: of a process that is ending much cannot be read any more, and looks as if it were not supported. */
const BY_DEATH: readonly ErrorCode[] = ["E_UNSUPPORTED", "E_NAMESPACE", "E_KERNEL", "E_PERMISSION", "E_INJECTION"]

/** True when every thread is ending or gone: a leader may end before the others. */
export const isDying = (pid: number): boolean => (listThreadsIfAlive(pid) ?? []).every((tid) => isEnding(pid, tid))

/** The processes of a tree, whether frozen or not. */
interface TreeMembers {
  readonly root: number
  readonly processes: readonly Pick<FrozenProcess, "pid">[]
}

/** A failure while the tree was looked at or saved, told as what it means for the dump. */
export function asDumpError({ root: pid, processes }: TreeMembers, error: unknown): unknown {
  const action = `Cannot dump task ${pid}`
  const asItIs = error instanceof CheckpointError && !BY_DEATH.includes(error.code)
  const dead = asItIs ? undefined : processes.find((process) => isDying(process.pid))
  if (dead)
    return new CheckpointError(
      "E_TARGET_DIED",
      action,
      dead.pid === pid ? "it ended while it was looked at" : `process ${dead.pid} of it ended while it was looked at`,
      "Find out why it ended; no image was written",
      error,
    )
  if (!(error instanceof SyscallError || error instanceof FileError)) return error
  const lack = lackOfDescriptors(action, error)
  if (lack) return lack
  return new CheckpointError("E_INJECTION", action, "a call failed", "Read the log of -v4; the task runs on as before", error)
}

/** Does a step of a dump, or of a plan of one. @throws what `asDumpError` makes of a failure */
export function explained<T>(tree: TreeMembers, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw asDumpError(tree, error)
  }
}
