// The core alone: consola and consola/basic open process.stdout and process.stderr when loaded, which takes longer than all the rest.
import { type ConsolaInstance, createConsola, LogLevels } from "consola/core"
import { writeSync } from "../../ffi/fs.ts"

/** Where log lines go: 2 = standard error, or a file opened by `logTo`. */
let sink = 2
/** Whether each is an object. */
let asJson = false
const started = performance.now()

/** CRIU's scale as consola's: 0 nothing, 1 errors, 2 warnings, 3 steps, 4 calls. */
const LEVELS = [LogLevels.silent, LogLevels.error, LogLevels.warn, LogLevels.info, LogLevels.debug] as const

let level: number = LogLevels.warn

/** Made for the first line that is written: most commands write none. */
let root: ConsolaInstance | undefined

const makeRoot = (): ConsolaInstance =>
  createConsola({
    // Repeated lines are neither merged nor put off: a timer would never fire while tasks are frozen.
    throttle: 0,
    reporters: [
      {
        log({ tag, type, args }) {
          const seconds = ((performance.now() - started) / 1000).toFixed(6)
          const level = type === "warn" ? "warning" : type
          if (asJson) return write(`${JSON.stringify({ log: { seconds: Number(seconds), level, tag, text: args.join(" ") } })}\n`)
          const kind = type === "warn" || type === "error" ? `${level}: ` : ""
          write(`(${seconds}) ${kind}${tag ? `${tag}: ` : ""}${args.join(" ")}\n`)
        },
      },
    ],
  })

/** Levels: debug = every call, info = one line a step, warn = what users must know. */
export type Logger = Readonly<Record<"debug" | "info" | "warn" | "error", (line: string) => void>>

/** Warnings of the step that gathers them now. */
let gathered: string[] | undefined

/** Takes a step, and gives back what it warns of instead of writing it. What a step that throws has warned of is nothing any more. */
export function gatherWarnings<T>(step: () => T): { readonly value: T; readonly warnings: readonly string[] } {
  const [outer, warnings] = [gathered, [] as string[]]
  gathered = warnings
  try {
    return { value: step(), warnings }
  } finally {
    gathered = outer
  }
}

/** Whether lines of every level are debug ones now. */
let isTrial = false

/** Takes a step that stands for another one: what it tells, errors too, is for who wants to see every call, and no warning to gather. */
export function asTrial<T>(step: () => T): T {
  const outer = isTrial
  isTrial = true
  try {
    return step()
  } finally {
    isTrial = outer
  }
}

/** A logger whose lines carry the folder's name. */
export function logger(tag: string): Logger {
  const at = (given: keyof Logger) => (line: string) => {
    const type = isTrial ? "debug" : given
    if (type === "warn" && gathered) return void gathered.push(line)
    if (level < LogLevels[type]) return
    root ??= makeRoot()
    const tagged = root.withTag(tag)
    tagged.level = level
    tagged[type](line)
  }
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }
}

/**
 * Sets where and how much is logged, for loggers made before and after.
 *
 * @param fd open descriptor that lines are appended to; stays open
 * @param verbosity CRIU's scale: 0 nothing, 1 errors, 2 warnings, 3 steps, 4 and above calls
 * @param form text as CRIU's logs have it, or an object a line: `{"log":{"seconds","level","tag","text"}}`
 */
export function logTo(fd: number, verbosity: number, form: "text" | "json" = "text"): void {
  sink = fd
  asJson = form === "json"
  level = LEVELS[Math.min(verbosity, LEVELS.length - 1)] ?? LogLevels.debug
}

/** Tells the log file, if there is one, what has been printed on standard error: why the command failed. */
export function logFailure(text: string): void {
  if (sink !== 2 && level >= LogLevels.error) logger("").error(text)
}

function write(line: string): void {
  try {
    writeSync(sink, line)
  } catch {
    // A full disk or a closed terminal must not end a dump while tasks are frozen: the line is lost, nothing else.
  }
}
