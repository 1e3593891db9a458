import { type Syscall, syscallNumber } from "../../ffi/syscall.ts"
import { textReader } from "../proc/source.ts"
import { readStatusIfAlive } from "../proc/status.ts"

/** Calls that suspend the caller, when it asks for that, until its child has executed a program or ended. */
const BIRTHS: ReadonlySet<number> = new Set((["clone", "vfork", "clone3"] satisfies Syscall[]).map(syscallNumber))

/** The call that a thread sleeps in; -1 outside of calls; NaN while it runs. Kernel: fs/proc/base.c proc_pid_syscall() */
const readCallIfAlive = textReader("syscall", (text) => Number.parseInt(text, 10))

/**
 * True while a thread is suspended by vfork(2), or by clone with CLONE_VFORK, which posix_spawn uses. It cannot be stopped then.
 * Kernel: kernel/fork.c wait_for_vfork_done()
 */
export function isSuspended(pid: number, tid: number): boolean {
  if (readStatusIfAlive(pid, tid)?.state !== "D") return false
  const call = readCallIfAlive(pid, tid)
  return call !== null && BIRTHS.has(call)
}
