import { SECCOMP_MODE } from "../../../ffi/abi/seccomp.ts"
import { type Syscall, syscallName, syscallNumber } from "../../../ffi/syscall.ts"
import { logger } from "../../base/log.ts"
import type { Restart } from "../../kinds/registers/interrupted.ts"
import { forbidden, type Seccomp } from "../../kinds/seccomp/collect.ts"
import { interruptedCall } from "../../tracee/arch.x86_64.ts"
import type { FrozenThread } from "../../tracee/frozen.ts"
import type { Program } from "../../tracee/program.ts"

const log = logger("seccomp")

const named = (...calls: readonly Syscall[]) => calls.map((call) => ({ nr: syscallNumber(call) }))
/** What injection calls beside the questions, in the crash path too. */
const AROUND = named("mmap", "mprotect", "tgkill", "rt_sigreturn", "munmap")
const RETURN = named("rt_sigreturn")
const RESTART = named("rt_sigprocmask", "restart_syscall", "rt_sigreturn")

/**
 * How an interrupted call goes on in a thread whose filter forbids restart_syscall(2): as it will after a restore. The kernel would make
 * that call, as after every SIGSTOP, and the filter would end the thread.
 */
export function withoutRestart(seccomp: Seccomp, { tid, registers }: FrozenThread, restart: Restart): Restart {
  if (interruptedCall(registers) !== "restart-block" || forbidden(seccomp, named("restart_syscall")).length === 0) return restart
  log.warn(
    `thread ${tid}: its seccomp filter forbids restart_syscall, so the wait it is in ${restart.entry ? "answers EINTR" : "begins anew"}`,
  )
  return { image: restart.image, resume: restart.image, entry: undefined }
}

/**
 * Warns of threads that a death of the tool would kill: seccomp is suspended only as long as the tool lives, and what a thread runs for us
 * then meets its filter. Says which calls, and for how long.
 */
export function warnFiltered(
  threads: readonly { readonly frozen: FrozenThread; readonly seccomp: Seccomp }[],
  programs: ReadonlyMap<number, Program>,
): void {
  const seen = new Set<string>()
  for (const { frozen, seccomp } of threads) {
    if (seccomp.mode === SECCOMP_MODE.DISABLED) continue
    const calls = forbidden(seccomp, [...AROUND, ...(programs.get(frozen.tid)?.calls ?? [])])
    if (calls.length === 0) continue
    const restarts = interruptedCall(frozen.registers) === "restart-block" && frozen.resume === frozen.registers
    const back = restarts ? RESTART : RETURN
    const time = forbidden(seccomp, back).length > 0 ? "until it is released" : "in the moment of its questions"
    const names = [...new Set(calls.map(({ nr }) => syscallName(nr)))]
    const what = `its seccomp filter forbids ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`
    if (seen.has(what)) continue
    seen.add(what)
    log.warn(`thread ${frozen.tid}: ${what}; ${time} it does not survive a kill -9 of stasis`)
  }
}
