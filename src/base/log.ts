// The core alone: consola and consola/basic open process.stdout and process.stderr when loaded, which takes longer than all the rest.
import { type ConsolaInstance, createConsola, LogLevels } from "consola/core"
import { writeSync } from "../../ffi/fs.ts"

/** Where log lines go: 2 = standard error, or a file opened by `logTo`. */
let sink = 2
const started = performance.now()

/** CRIU's scale as consola's: 0 nothing, 1 errors, 2 warnings, 3 steps, 4 calls. */
const LEVELS = [LogLevels.silent, LogLevels.error, LogLevels.warn, LogLevels.info, LogLevels.debug] as const

const root: ConsolaInstance = createConsola({
  level: LogLevels.warn,
  // Repeated lines are neither merged nor put off: a timer would never fire while tasks are frozen.
  throttle: 0,
  reporters: [
    {
      log({ tag, type, args }) {
        const seconds = ((performance.now() - started) / 1000).toFixed(6)
        const kind = type === "warn" ? "warning: " : type === "error" ? "error: " : ""
        write(`(${seconds}) ${kind}${tag ? `${tag}: ` : ""}${args.join(" ")}\n`)
      },
    },
  ],
})

/** Every logger handed out: consola copies the level when a tag is added, so each has to be told of a change. */
const tagged: ConsolaInstance[] = []

/** A logger whose lines carry the folder's name. Levels: debug = every call, info = one line a step, warn = what users must know. */
export function logger(tag: string): ConsolaInstance {
  const log = root.withTag(tag)
  tagged.push(log)
  return log
}

/**
 * Sets where and how much is logged, for loggers made before and after.
 *
 * @param fd open descriptor that lines are appended to; stays open
 * @param verbosity CRIU's scale: 0 nothing, 1 errors, 2 warnings, 3 steps, 4 and above calls
 */
export function logTo(fd: number, verbosity: number): void {
  sink = fd
  const level = LEVELS[Math.min(verbosity, LEVELS.length - 1)] ?? LogLevels.debug
  for (const log of [root, ...tagged]) log.level = level
}

function write(line: string): void {
  try {
    writeSync(sink, line)
  } catch {
    // A full disk or a closed terminal must not end a dump while tasks are frozen: the line is lost, nothing else.
  }
}
