import { CAP } from "../../ffi/abi/caps.ts"
import { PTRACE, PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { errnoName, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { mayOnMachine } from "../proc/rights.ts"
import { readStatus } from "../proc/status.ts"
import { tryPtrace } from "./trace.ts"

/** Whether this tool may look into seccomp of others, and suspend it. Kernel: kernel/ptrace.c check_ptrace_options(), kernel/seccomp.c */
export const maySuspendSeccomp = (): boolean => mayOnMachine(CAP.SYS_ADMIN) && !readStatus(process.pid).seccomp

/**
 * Takes a stopped thread out of seccomp for as long as we trace it, so that our calls run in it. When the tool dies, seccomp is back.
 *
 * @param others options of this trace that stay: PTRACE_O_ bits. Threads that it clones under CLONE_PTRACE have the same
 * @throws CheckpointError E_PERMISSION the tool lacks CAP_SYS_ADMIN, or is under seccomp itself
 * Kernel: kernel/ptrace.c check_ptrace_options(); needs CONFIG_CHECKPOINT_RESTORE
 */
export function suspendSeccomp(tid: number, others: number): void {
  const options = others | PTRACE_O.SUSPEND_SECCOMP
  const answer = tryPtrace("SETOPTIONS", tid, 0, options)
  if (answer === 0) return
  const cause = new SyscallError("ptrace", errnoName(-answer), [PTRACE.SETOPTIONS, tid, 0, options])
  throw new CheckpointError(
    "E_PERMISSION",
    `Cannot suspend seccomp of thread ${tid}`,
    "the kernel allows it to CAP_SYS_ADMIN only, and to nobody who is under seccomp",
    "Run stasis as root outside of any sandbox; look at stasis check --feature seccomp_suspend",
    cause,
  )
}
