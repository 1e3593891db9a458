import { CheckpointError, type ErrorCode, EXIT_STATUS } from "../base/errors.ts"
import { logFailure } from "../base/log.ts"
import { printError } from "./print.ts"
import { safeText } from "./show-table.ts"

/** Under the first line of a failure, so that its words stand out. */
const INDENT = " ".repeat(9)

/** A failure in the shape of --json. Stable: names are never changed, only added. */
interface FailureJson {
  readonly error: {
    readonly code: ErrorCode
    readonly action: string
    readonly found: string
    readonly next: string
    /** Causes, nearest first; after them what failed while cleaning up. */
    readonly because: readonly string[]
  }
}

/** Prints a failure on standard error, and in the log file where one is named. @returns the exit status of its class, see EXIT_STATUS */
export function reportFailure(error: unknown, json: boolean): number {
  const failure = describe(error)
  printError(json ? JSON.stringify(failure) : format(failure))
  logFailure(format(failure))
  return EXIT_STATUS[failure.error.code]
}

/** A failure as plain data. What is not a CheckpointError is a mistake of ours, E_INTERNAL. */
export function describe(thrown: unknown): FailureJson {
  // A scope that failed to undo itself wraps what happened first: that is what people have to read first.
  if (thrown instanceof SuppressedError) {
    const { error } = describe(thrown.suppressed)
    return { error: { ...error, because: [...error.because, ...causes(thrown.error).map((cause) => `${cause} (while cleaning up)`)] } }
  }
  if (thrown instanceof CheckpointError) {
    const { code, action, found, next, cause } = thrown
    return { error: { code, action, found, next, because: causes(cause) } }
  }
  const [found = "nothing was said", ...because] = causes(thrown)
  const next = "Run it again with -v4 -o FILE and report what FILE says"
  return { error: { code: "E_INTERNAL", action: "Cannot go on", found, next, because } }
}

/** Names come from programs, which may have put escape sequences into them; newlines between refusals are ours. */
const safe = (text: string): string => text.split("\n").map(safeText).join("\n")

/** The lines that people read: what was done and found, why, what to do, and the code. */
export function format({ error: { code, action, found, next, because } }: FailureJson): string {
  const lines = [...because.map((cause) => `because ${safe(cause)}`), `next    ${safe(next)}`, `code    ${code}`]
  return [`${safe(action)}: ${safe(found)}`, ...lines.map((line) => INDENT + line)].join("\n")
}

/** The messages of an error and of what caused it, nearest first. */
function causes(error: unknown): string[] {
  if (error === undefined || error === null) return []
  if (error instanceof SuppressedError) return [...causes(error.suppressed), ...causes(error.error)]
  if (error instanceof AggregateError) return error.errors.flatMap(causes)
  if (error instanceof Error) return [error.message || error.name, ...causes(error.cause)]
  return [String(error)]
}
