import { MEMBARRIER } from "../../../ffi/abi/sched.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import type { Answers, Program, Result } from "../../tracee/program.ts"

/** Commands that answer EPERM unless the process has registered, and the registration that each stands for. */
const PROBES = [
  [MEMBARRIER.PRIVATE_EXPEDITED, MEMBARRIER.REGISTER_PRIVATE_EXPEDITED],
  [MEMBARRIER.PRIVATE_EXPEDITED_SYNC_CORE, MEMBARRIER.REGISTER_PRIVATE_EXPEDITED_SYNC_CORE],
  [MEMBARRIER.PRIVATE_EXPEDITED_RSEQ, MEMBARRIER.REGISTER_PRIVATE_EXPEDITED_RSEQ],
] as const

/** Where the answers about membarrier(2) will be. */
export interface MembarrierQuestions {
  /** The whole set, where the kernel tells it. */
  readonly all: Result | undefined
  readonly probes: readonly { readonly register: number; readonly answer: Result }[]
}

/**
 * Appends the question for membarrier(2) registrations. Kernels before 6.3 do not tell them, so there each command is tried: it is
 * refused to a process that has not registered. Lost there: MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, which no command shows.
 */
export function askMembarrier(program: Program): MembarrierQuestions {
  const told = !isFailure(attempt("membarrier", MEMBARRIER.GET_REGISTRATIONS, 0, 0))
  return {
    all: told ? program.call("membarrier", MEMBARRIER.GET_REGISTRATIONS, 0, 0) : undefined,
    probes: told
      ? []
      : PROBES.map(([command, register]) => ({ register, answer: program.callWith({ mayFail: true }, "membarrier", command, 0, 0) })),
  }
}

/** The registrations as command bits, 0 = none: membarrier_registration_mask of the image. */
export function collectMembarrier(answers: Answers, { all, probes }: MembarrierQuestions): number {
  if (all) return Number(answers.of(all))
  return probes.reduce((mask, { register, answer }) => (answers.of(answer) === 0n ? mask | register : mask), 0)
}

/**
 * Appends one registration for each bit of the mask. Mirror: `collectMembarrier`
 *
 * @throws nothing; a bit that the kernel does not know fails the program
 */
export function restoreMembarrier(mask: number, program: Program): void {
  for (let command = 1; command <= mask; command *= 2)
    if (mask & command) program.callWith({ about: `the registration ${command} of membarrier` }, "membarrier", command, 0, 0)
}
