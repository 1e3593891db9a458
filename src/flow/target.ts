import { attempt, errnoName } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { PF_KTHREAD } from "../proc/source.ts"
import { readStat } from "../proc/stat.ts"
import { readStatus } from "../proc/status.ts"

/** Errors of the target itself, which no option can change. @throws CheckpointError E_SELF · E_NO_PROCESS · E_KERNEL_THREAD · E_TRACED */
export function checkTarget(pid: number): void {
  if (pid === process.pid)
    throw new CheckpointError("E_SELF", `Cannot dump task ${pid}`, "it is stasis itself", "Name the PID of another process")
  const alive = attempt("kill", pid, 0)
  if (alive < 0 && errnoName(-alive) === "ESRCH")
    throw new CheckpointError("E_NO_PROCESS", `Cannot dump task ${pid}`, "there is no such process", "Look for its PID with ps")
  const stat = readStat(pid)
  if (stat.flags & PF_KTHREAD)
    throw new CheckpointError(
      "E_KERNEL_THREAD",
      `Cannot dump task ${pid}`,
      `it is the kernel thread "${stat.comm}"`,
      "Name the PID of a program",
    )
  const { tgid, tracerPid, ppid, threads } = readStatus(pid)
  if ((stat.state === "Z" || stat.state === "X") && threads <= 1)
    throw new CheckpointError(
      "E_NO_PROCESS",
      `Cannot dump task ${pid}`,
      `it has ended, and its parent ${ppid} has not waited for it (a zombie)`,
      "Name a running process",
    )
  if (tgid !== pid)
    throw new CheckpointError(
      "E_NO_PROCESS",
      `Cannot dump task ${pid}`,
      `it is a thread of process ${tgid}`,
      `Dump ${tgid}: a process is saved with all its threads`,
    )
  if (tracerPid !== 0)
    throw new CheckpointError(
      "E_TRACED",
      `Cannot dump task ${pid}`,
      `it is traced by process ${tracerPid}`,
      `Detach the debugger ${tracerPid}, then dump again`,
    )
  for (let ancestor = process.ppid; ancestor > 0; ancestor = readStatus(ancestor).ppid)
    if (ancestor === pid)
      throw new CheckpointError(
        "E_SELF",
        `Cannot dump task ${pid}`,
        "it is an ancestor of stasis",
        "Run stasis from outside the tree, for example with setsid",
      )
}
