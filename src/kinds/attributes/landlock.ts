import { KCMP } from "../../../ffi/abi/file.ts"
import { attempt, errnoName } from "../../../ffi/syscall.ts"
import type { Refusal } from "../../base/errors.ts"
import type { Answers, Program, Result } from "../../tracee/program.ts"

const LANDLOCK_CREATE_RULESET_VERSION = 1

/** True where the kernel has Landlock and uses it. Man page: landlock_create_ruleset(2) */
export const hasLandlock = (): boolean => attempt("landlock_create_ruleset", 0, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0

/**
 * Appends the question whether a thread is in a Landlock domain to its own program. No call and no file of the kernel tells that; but who
 * is in one may not look at processes outside of it, whatever else it may do. The call changes nothing.
 *
 * @param witness a process outside, which the thread may look at by all other rules; undefined = do not ask
 * Kernel: security/landlock/task.c hook_ptrace_access_check(), kernel/kcmp.c
 */
export const askLandlock = (program: Program, witness: number | undefined): Result | undefined =>
  witness === undefined ? undefined : program.callWith({ mayFail: true }, "kcmp", witness, witness, KCMP.FILES, 0, 0)

/** True when a thread is in a domain that its witness is not in. */
export const isLandlocked = (answers: Answers, question: Result | undefined): boolean =>
  question !== undefined && errnoName(-Number(answers.of(question))) === "EPERM"

/** A domain cannot be read, so it cannot be made again: without it the program could do more than before. */
export const refuseLandlock = (where: string): Refusal => ({
  what: "in a Landlock domain, which nobody can read",
  where,
  remedy: "Start the program without Landlock, or give --landlock=drop: it is free of it after the restore",
})
