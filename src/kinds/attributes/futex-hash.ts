import { PR, PR_FUTEX_HASH } from "../../../ffi/abi/prctl.ts"
import { type Answers, Program, type Result } from "../../tracee/program.ts"

/** Appends the question how many slots the process's own futex hash has: 0 = it uses the system's. Since Linux 6.16. */
export const askFutexSlots = (program: Program): Result =>
  program.callWith({ mayFail: true }, "prctl", PR.FUTEX_HASH, PR_FUTEX_HASH.GET_SLOTS, 0, 0, 0)

/**
 * Gives a process a futex hash of as many slots as it had. What the kernel gave it by itself for its threads is left when it is that.
 *
 * @param wanted undefined = the image does not say
 * @param run has the process run a program and answers. Precondition: every thread is there.
 */
export function restoreFutexSlots(wanted: number | undefined, run: (program: Program) => Answers): void {
  if (wanted === undefined) return
  const question = new Program()
  const now = askFutexSlots(question)
  const slots = run(question).of(now)
  if (slots < 0n || slots === BigInt(wanted)) return
  const program = new Program()
  program.callWith({ about: `a futex hash of ${wanted} slots` }, "prctl", PR.FUTEX_HASH, PR_FUTEX_HASH.SET_SLOTS, wanted, 0, 0)
  run(program)
}
