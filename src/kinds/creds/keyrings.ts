import { KEY_SPEC, KEYCTL } from "../../../ffi/abi/keys.ts"
import { attempt } from "../../../ffi/syscall.ts"
import type { Refusal } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { Answers, Program, Result } from "../../tracee/program.ts"

const log = logger("creds")

/** Where the answers about keyrings will be: serial numbers, or failures where there is none, or no CONFIG_KEYS. */
interface KeyringQuestions {
  readonly thread: Result
  readonly process: Result
}

const ask = (program: Program, which: number): Result => program.callWith({ mayFail: true }, "keyctl", KEYCTL.GET_KEYRING_ID, which, 0)

/** Appends the questions for a thread's keyrings to its own program. None is made by asking. */
export const askKeyrings = (program: Program): KeyringQuestions => ({
  thread: ask(program, KEY_SPEC.THREAD_KEYRING),
  process: ask(program, KEY_SPEC.PROCESS_KEYRING),
})

/** Keyrings that end with the process: their keys are secrets that no call may copy. */
export function refuseKeyrings(where: string, answers: Answers, { thread, process }: KeyringQuestions): Refusal[] {
  const rows = [["thread", thread] as const, ["process", process] as const]
  return rows.flatMap(([name, question]) =>
    answers.of(question) > 0n
      ? [{ what: `the holder of a ${name} keyring`, where, remedy: "Let the program keep its keys in its user's keyring" }]
      : [],
  )
}

/** Where the answers about the session keyring of a process and of its user will be. */
interface SessionQuestions {
  readonly session: Result
  readonly userSession: Result
}

/**
 * Appends the questions for a process's session keyring to a program of any of its threads.
 *
 * @returns undefined where this tool has none, as without CONFIG_KEYS
 * Precondition: the process is killed soon. Whoever asks without a session keyring is given its user's by the kernel, and would keep it
 * when it becomes another user. Kernel: security/keys/process_keys.c lookup_user_key()
 */
export const askSessionKeyring = (program: Program): SessionQuestions | undefined =>
  ownKeyrings().session < 0
    ? undefined
    : { session: ask(program, KEY_SPEC.SESSION_KEYRING), userSession: ask(program, KEY_SPEC.USER_SESSION_KEYRING) }

/** Serial number of a process's session keyring where it is not just its user's; undefined without one. */
export function collectSessionKeyring(answers: Answers, { session, userSession }: SessionQuestions): number | undefined {
  const serial = answers.of(session)
  return serial > 0n && serial !== answers.of(userSession) ? Number(serial) : undefined
}

/** The session keyring of this tool, and that of its user; failures are negative. */
const ownKeyrings = (): { session: number; userSession: number } => ({
  session: attempt("keyctl", KEYCTL.GET_KEYRING_ID, KEY_SPEC.SESSION_KEYRING, 0),
  userSession: attempt("keyctl", KEYCTL.GET_KEYRING_ID, KEY_SPEC.USER_SESSION_KEYRING, 0),
})

/** What a process has that this tool makes now: its session keyring, undefined = just its user's, or no CONFIG_KEYS. */
export function inheritedKeyring(): number | undefined {
  const { session, userSession } = ownKeyrings()
  return session < 0 || session === userSession ? undefined : session
}

/**
 * Appends what gives a process a session keyring like its own: it never keeps that of whoever restores, or of a parent that had another.
 * One that it had itself cannot be joined again, for the kernel knows it by no name: it gets an empty one, with a warning.
 *
 * @param saved serial number, undefined = none of its own, or unknown   @param inherited the same of the task that cloned it
 * @param uid real user ID that the process will have   @param ownUid that of this tool
 * Precondition: no thread is cloned yet, so that all have the same. Mirror: `collectSessionKeyring`
 */
export function restoreSessionKeyring(
  saved: number | undefined,
  inherited: number | undefined,
  uid: number,
  ownUid: number,
  program: Program,
): void {
  if (saved === inherited) return
  if (saved !== undefined) log.warn(`the session keyring ${saved} is not kept: the process gets an empty one`)
  // That of one's own user can be joined by its name.
  const name = saved === undefined && uid === ownUid ? program.string(`_uid_ses.${uid}`) : 0
  program.callWith({ about: "a session keyring" }, "keyctl", KEYCTL.JOIN_SESSION_KEYRING, name)
}
