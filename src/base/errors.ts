/**
 * What went wrong, as a stable word for scripts, and the exit status of its class.
 *
 * Classes: 2 wrong command line · 3 refused, the target goes on as it was · 4 the target or the host's answer about it ·
 * 5 the images · 6 the host (disk, kernel, permissions) · 7 a conflict at restore, or an action script that failed ·
 * 8 interrupted or out of time · 1 anything else.
 */
export const EXIT_STATUS = {
  E_INTERNAL: 1,
  E_USAGE: 2,
  E_OPTION_UNSUPPORTED: 2,
  E_UNSUPPORTED: 3,
  E_RSEQ_MALFORMED: 3,
  E_SELF: 3,
  E_KERNEL_THREAD: 3,
  E_NAMESPACE: 3,
  E_NO_PROCESS: 4,
  E_TRACED: 4,
  E_PERMISSION: 4,
  E_TARGET_DIED: 4,
  E_TARGET_CHANGED: 4,
  E_INJECTION: 4,
  E_IMAGE_MISSING: 5,
  E_IMAGE_CORRUPT: 5,
  E_IMAGE_VERSION: 5,
  E_IMAGE_UNSUPPORTED: 5,
  E_DIRECTORY: 6,
  E_DISK_FULL: 6,
  E_IO: 6,
  E_KERNEL: 6,
  E_PID_TAKEN: 7,
  E_FILE_CHANGED: 7,
  E_RESTORE: 7,
  E_SCRIPT: 7,
  E_INTERRUPTED: 8,
  E_TIMEOUT: 8,
} as const

export type ErrorCode = keyof typeof EXIT_STATUS

/**
 * A failure told to people: what was being done to which object, what was found, and what to do next. The cause is kept whole.
 *
 * Printed as:
 *   Cannot seize task 4242: TracerPid is 77
 *            because ptrace(0x4206, 0x1092, 0x0, 0x0) answered EPERM: operation not permitted
 *            next    Detach task 77, then dump again
 *            code    E_TRACED
 */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError"
  constructor(
    readonly code: ErrorCode,
    readonly action: string,
    readonly found: string,
    readonly next: string,
    cause?: unknown,
  ) {
    super(`${action}: ${found}`, { cause })
  }

  /** For lines of a log: without the name of this class. */
  override toString(): string {
    return this.message
  }

  /** Exit status of this failure's class, see EXIT_STATUS. */
  get status(): number {
    return EXIT_STATUS[this.code]
  }
}

/** The failure of an image whose content cannot be: E_IMAGE_CORRUPT. @param action what cannot be done with it */
export const damagedImage = (action: string, found: string, cause?: unknown): CheckpointError =>
  new CheckpointError("E_IMAGE_CORRUPT", action, found, "Dump the program again: this image was damaged or changed", cause)

/** Runs checks one after the other. @returns what each refused with, in order; any other failure is thrown */
export function complaintsOf(checks: Iterable<() => void>): CheckpointError[] {
  const complaints: CheckpointError[] = []
  for (const check of checks)
    try {
      check()
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
      complaints.push(error)
    }
  return complaints
}

/** One object that a dump cannot keep, printed with its remedy. */
export interface Refusal {
  /** What was found, e.g. "anon_inode:[io_uring]". */
  readonly what: string
  /** Where: "task 12 fd 5", "task 12 VMA 7f00-8000". */
  readonly where: string
  /** What the operator can do. */
  readonly remedy: string
  /** E_UNSUPPORTED unless it is something else. */
  readonly code?: ErrorCode
}

/** All refusals of a target in one error. The first line names the first; every one is listed under `found`. */
export function refusedTarget(pid: number, refusals: readonly Refusal[]): CheckpointError {
  const lines = refusals.map(({ what, where, remedy }) => `${where}: ${what} (${remedy})`)
  const first = refusals[0]
  if (!first) throw new Error("Unreachable: a refusal without a reason")
  return new CheckpointError(
    refusals.find(({ code }) => code)?.code ?? "E_UNSUPPORTED",
    `Cannot dump task ${pid}`,
    lines.length === 1 ? `${first.where} is ${first.what}` : `${lines.length} objects are not supported\n  ${lines.join("\n  ")}`,
    first.remedy,
  )
}
