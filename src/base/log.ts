import { type ConsolaInstance, createConsola, LogLevels } from "consola/basic"
import { writeSync } from "node:fs"

/** Where log lines go: 2 = standard error, or a file opened by `logTo`. */
let sink = 2
const started = performance.now()

const root: ConsolaInstance = createConsola({
  level: LogLevels.warn,
  reporters: [
    {
      log({ tag, type, args }) {
        const seconds = ((performance.now() - started) / 1000).toFixed(6)
        writeSync(sink, `(${seconds}) ${type === "warn" ? "warning: " : ""}${tag ? `${tag}: ` : ""}${args.join(" ")}\n`)
      },
    },
  ],
})

/** A logger whose lines carry the folder's name. Levels: debug = every call, info = one line a step, warn = what users must know. */
export const logger = (tag: string): ConsolaInstance => root.withTag(tag)

/**
 * Sets where and how much is logged.
 *
 * @param verbosity CRIU's scale: 0 nothing, 1 errors, 2 warnings, 3 steps, 4 calls
 * @param fd open descriptor that lines are appended to; stays open
 */
export function logTo(fd: number, verbosity: number): void {
  sink = fd
  root.level = ([LogLevels.silent, LogLevels.error, LogLevels.warn, LogLevels.info, LogLevels.debug] as const)[Math.min(verbosity, 4)] ?? LogLevels.debug
}
