import { misused } from "./refuse.ts"
import type { Canonical } from "./spelling.ts"

/** Largest PID a kernel can be set to give, PID_MAX_LIMIT. Authority: proc_sys_kernel(5), pid_max. */
const PID_LIMIT = 4194304

/** Largest signed 32-bit number: descriptors, seconds and counts are ints in the kernel and in CRIU. */
const INT_MAX = 2147483647

/** Highest verbosity that shows anything new. */
const TOP_VERBOSITY = 4

/** The last value given for an option; undefined when it was not given. */
export function text(line: Canonical, name: string): string | undefined {
  const value = line.options.findLast((option) => option.name === name)?.value
  return typeof value === "string" ? value : undefined
}

/** All values given for an option, in order. */
export const texts = (line: Canonical, name: string): string[] =>
  line.options.flatMap((option) => (option.name === name && typeof option.value === "string" ? [option.value] : []))

/** Whether a boolean is on; `usual` when neither of its forms was given. */
export function flag(line: Canonical, name: string, usual = false): boolean {
  const value = line.options.findLast((option) => option.name === name)?.value
  return typeof value === "boolean" ? value : usual
}

/**
 * A whole number in decimal.
 *
 * @param unit what it counts, for the message
 * @throws CheckpointError E_USAGE: not a number, less than `least`, or more than an int of C holds
 */
export function wholeNumber(line: Canonical, name: string, unit: string, least: number): number | undefined {
  const value = text(line, name)
  return value === undefined ? undefined : parseNumber(line, `--${name} "${value}"`, value, unit, least, INT_MAX)
}

const SUFFIXES: Readonly<Record<string, number>> = { "": 0, K: 10, M: 20, G: 30 }

/** Bytes, with CRIU's suffixes: K, M and G, powers of 1024. @throws CheckpointError E_USAGE */
export function bytes(line: Canonical, name: string, unit: string): number | undefined {
  const value = text(line, name)
  if (value === undefined) return undefined
  const [, digits = "", suffix = ""] = /^(.*?)([KMG]?)$/.exec(value) ?? []
  const shift = SUFFIXES[suffix] ?? 0
  return parseNumber(line, `--${name} "${value}"`, digits, unit, 0, 2 ** 52 / 2 ** shift) * 2 ** shift
}

/** One word out of a list; the first one when the option was not given. @throws CheckpointError E_USAGE */
export function choice<Word extends string>(line: Canonical, name: string, words: readonly [Word, ...Word[]]): Word {
  const value = text(line, name)
  const word = value === undefined ? words[0] : words.find((candidate) => candidate === value)
  if (word === undefined) throw misused(line.command, `--${name} "${value}" is unknown`, `Use one of ${words.join(", ")}`)
  return word
}

/** A PID from an option or a bare word. @throws CheckpointError E_USAGE: not 1 to 4194304 */
export const parsePid = (line: Canonical, word: string): number => parseNumber(line, `"${word}"`, word, "PID", 1, PID_LIMIT)

/** CRIU's scale, 0 to 4. */
export const verbosityOf = (line: Canonical): number => Math.min(Number(text(line, "verbosity")), TOP_VERBOSITY)

/** Refuses words that the command has no place for. @throws CheckpointError E_USAGE */
export function atMost(line: Canonical, count: number): void {
  const surplus = line.words[count]
  if (surplus !== undefined) throw misused(line.command, `"${surplus}" is one word too many`)
}

function parseNumber(line: Canonical, shown: string, word: string, unit: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(word) ? Number(word) : Number.NaN
  if (value >= least && value <= most) return value
  throw misused(line.command, `${shown} is not a ${unit}`, `Give a whole number from ${least} to ${most}`)
}
