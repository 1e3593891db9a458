import { type CommandName, isCommand } from "./commands.ts"
import { findLetter, findOption, OPTIONS, type OptionRow } from "./option-table.ts"
import { findCriuOption, misused, refuseCommand, refuseOption } from "./refuse.ts"

/** CRIU's level when -v is not given, and what each bare -v adds one to. Authority: criu(8), --verbosity. */
const DEFAULT_VERBOSITY = 2

/** Values that must be joined to their option, since it may stand alone: as words of their own they would be taken for a directory. */
const JOINED: Readonly<Record<string, { readonly value: RegExp; readonly commands: readonly CommandName[] }>> = {
  verbosity: { value: /^[0-4]$/, commands: ["dump", "restore"] },
  "cpu-cap": { value: /^\^?(?:fpu|ins|cpu|all|none)(?:,|$)/, commands: ["dump", "restore", "plan"] },
  "manage-cgroups": { value: /^(?:soft|full|strict|none|props|ignore)$/, commands: ["dump", "restore"] },
}

/** A command line in one spelling only. */
export interface Canonical {
  readonly command: CommandName
  /** In order of appearance, the verbosity last and always there; a boolean has the value true or false. */
  readonly options: readonly { readonly name: string; readonly value: string | boolean }[]
  /** Words that are not options. */
  readonly words: readonly string[]
}

/** A command line that is being read. */
interface Reading {
  readonly command: CommandName
  /** Words not read yet. */
  readonly left: string[]
  readonly options: { name: string; value: string | boolean }[]
  verbosity: number
  /** The option that the last word has named without its value, by its long name and as it was written. */
  alone?: { readonly name: string; readonly spelled: string } | undefined
}

/**
 * Brings every spelling that CRIU's users know into one: `-t5`, `-t 5`, `--tree=5`, `-Rj`, `-v`, `-vvv`, `-v4`, `--no-sync`, `--`.
 *
 * @param argv words after the program's name
 * @throws CheckpointError E_USAGE or E_OPTION_UNSUPPORTED: the first word that cannot stand
 *
 * Authority: getopt_long(3), with two differences: names are not abbreviated, and a value that looks like an option must be
 * written with "=", so that `-D -t 5` is never taken for a directory named "-t".
 */
export function canonical(argv: readonly string[]): Canonical {
  const { command, left } = splitCommand(argv)
  const reading: Reading = { command, left, options: [], verbosity: DEFAULT_VERBOSITY }
  const words: string[] = []
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const { alone } = reading
    reading.alone = undefined
    if (word === "--") words.push(...left.splice(0))
    else if (word.startsWith("--")) readName(reading, word)
    else if (word.startsWith("-") && word !== "-") readLetters(reading, word)
    else {
      refuseParted(command, alone, word)
      words.push(word)
    }
  }
  if (words.includes("")) throw misused(command, "A word is empty", "A variable of a script may have no value: name what it stands for")
  return { command, options: [...reading.options, { name: "verbosity", value: String(reading.verbosity) }], words }
}

/** `-v 4` and `--cpu-cap ins`: whoever means that gets no directory of this name. @throws CheckpointError E_USAGE */
function refuseParted(command: CommandName, alone: Reading["alone"], word: string): void {
  const joined = alone && JOINED[alone.name]
  if (!alone || !joined?.commands.includes(command) || !joined.value.test(word)) return
  const written = alone.spelled.startsWith("--") ? `--${alone.name}=${word}` : `-v${word}`
  throw misused(
    command,
    `${alone.spelled} is followed by "${word}"`,
    `Write ${written} if that is its value, or -D ${word} for a directory`,
  )
}

/** The command and all other words. Options may stand before the command, as with CRIU. */
function splitCommand(argv: readonly string[]): { command: CommandName; left: string[] } {
  if (argv.length === 0) throw misused(undefined, "No command is given")
  const takesNext = (word = ""): boolean =>
    OPTIONS.some(
      ({ name, short, value, unsaid }) =>
        value && unsaid === undefined && name !== "verbosity" && (word === `--${name}` || word === `-${short}`),
    )
  const at = argv.findIndex((word, index) => !word.startsWith("-") && !takesNext(argv[index - 1]))
  const command = argv[at]
  if (command === undefined) throw misused(undefined, `No command is given beside "${argv.join(" ")}"`)
  if (!isCommand(command)) throw refuseCommand(command)
  return { command, left: argv.toSpliced(at, 1) }
}

/** `--name`, `--name=value`, `--name value`, `--no-name`. */
function readName(reading: Reading, word: string): void {
  const { command } = reading
  const equals = word.indexOf("=")
  const spelled = equals < 0 ? word : word.slice(0, equals)
  const attached = equals < 0 ? undefined : word.slice(equals + 1)
  const negative = spelled.startsWith("--no-")
  const name = spelled.slice(negative ? "--no-".length : "--".length)
  const row = findOption(name, command)
  if (!row) {
    if (negative && attached === undefined && findCriuOption(name, command)?.boolean) return
    throw refuseOption(spelled, name, command)
  }
  if (row.value !== undefined) {
    if (negative) throw misused(command, `--${name} takes a value and has no --no- form`)
    if (row.name === "verbosity") setVerbosity(reading, attached ?? (/^\d$/.test(reading.left[0] ?? "") ? reading.left.shift() : undefined))
    else if (row.unsaid !== undefined && attached === undefined) {
      reading.options.push({ name, value: row.unsaid })
      reading.alone = { name, spelled }
    } else takeValue(reading, row, spelled, attached)
    return
  }
  if (attached !== undefined) throw misused(command, `${spelled} takes no value`, `Use --${name} or --no-${name}`)
  if (row.negativeOnly && !negative) throw misused(command, `${spelled} is not an option`, `Only --no-${name} is: ${row.help}`)
  reading.options.push({ name, value: !negative })
}

/** `-R`, `-Rj`, `-t 5`, `-t5`, `-vvv`, `-v4`, `-x`, `-x7,8`. */
function readLetters(reading: Reading, word: string): void {
  for (let left = word.slice(1); left !== ""; ) {
    const letter = left.charAt(0)
    const row = findLetter(letter, reading.command)
    if (!row) throw refuseOption(`-${letter}`, letter, reading.command)
    left = left.slice(1)
    if (row.name === "verbosity") {
      const digits = /^\d+/.exec(left)?.[0]
      setVerbosity(reading, digits)
      if (digits === undefined) reading.alone = { name: row.name, spelled: `-${letter}` }
      left = left.slice(digits?.length ?? 0)
    } else if (row.unsaid !== undefined && !/^\d/.test(left)) {
      // Its value is a list of numbers, or left out: what follows are letters again.
      reading.options.push({ name: row.name, value: row.unsaid })
    } else if (row.value !== undefined) {
      takeValue(reading, row, `-${letter}`, left === "" ? undefined : left)
      return
    } else reading.options.push({ name: row.name, value: true })
  }
}

function takeValue({ command, left, options }: Reading, row: OptionRow, spelled: string, attached: string | undefined): void {
  const value = attached ?? left.shift()
  if (value === undefined || value === "") throw misused(command, `${spelled} needs a value: ${row.value}`)
  if (attached === undefined && value.length > 1 && value.startsWith("-"))
    throw misused(command, `${spelled} is followed by "${value}"`, `Write --${row.name}=${value} if that is the value`)
  options.push({ name: row.name, value })
}

/** A level, or one more than before when none is named. */
function setVerbosity(reading: Reading, level: string | undefined): void {
  if (level !== undefined && !/^\d+$/.test(level))
    throw misused(reading.command, `"${level}" is not a verbosity`, "Use -v0 to -v4, or -v once for each level above 2")
  reading.verbosity = level === undefined ? reading.verbosity + 1 : Number(level)
}
