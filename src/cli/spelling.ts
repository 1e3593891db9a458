import { type CommandName, isCommand } from "./commands.ts"
import { findLetter, findOption, OPTIONS, type OptionRow } from "./option-table.ts"
import { findCriuOption, misused, refuseCommand, refuseOption } from "./refuse.ts"

/** CRIU's level when -v is not given, and what each bare -v adds one to. Authority: criu(8), --verbosity. */
const DEFAULT_VERBOSITY = 2

/** A command line in one spelling only. */
export interface Canonical {
  readonly command: CommandName
  /** In order of appearance; a boolean has the value true or false. */
  readonly options: readonly { readonly name: string; readonly value: string | boolean }[]
  /** Words that are not options. */
  readonly words: readonly string[]
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
  const [command, rest] = splitCommand(argv)
  const options: { name: string; value: string | boolean }[] = []
  const words: string[] = []
  let verbosity = DEFAULT_VERBOSITY

  const take = (row: OptionRow, spelled: string, attached: string | undefined): void => {
    const value = attached ?? rest.shift()
    if (value === undefined || value === "") throw misused(command, `${spelled} needs a value: ${row.value}`)
    if (attached === undefined && value.length > 1 && value.startsWith("-"))
      throw misused(command, `${spelled} is followed by "${value}"`, `Write --${row.name}=${value} if that is the value`)
    options.push({ name: row.name, value })
  }

  const setVerbosity = (text: string): void => {
    if (!/^\d+$/.test(text)) throw misused(command, `"${text}" is not a verbosity`, "Use -v0 to -v4, or -v once for each level above 2")
    verbosity = Number(text)
  }

  const long = (spelled: string): void => {
    const equals = spelled.indexOf("=")
    const head = equals < 0 ? spelled : spelled.slice(0, equals)
    const value = equals < 0 ? undefined : spelled.slice(equals + 1)
    const negative = head.startsWith("--no-")
    const name = head.slice(negative ? 5 : 2)
    const row = findOption(name, command)
    if (!row) {
      if (negative && value === undefined && findCriuOption(name, command)?.boolean) return
      throw refuseOption(head, name, command)
    }
    if (row.name === "verbosity" && !negative) {
      const next = value ?? (/^\d$/.test(rest[0] ?? "") ? rest.shift() : undefined)
      if (next === undefined) verbosity++
      else setVerbosity(next)
    } else if (row.value !== undefined) {
      if (negative) throw misused(command, `--${name} takes a value and has no --no- form`)
      take(row, head, value)
    } else {
      if (value !== undefined) throw misused(command, `${head} takes no value`, `Use --${name} or --no-${name}`)
      if (row.negativeOnly && !negative) throw misused(command, `${head} is not an option`, `Only --no-${name} is: ${row.help}`)
      options.push({ name: row.name, value: !negative })
    }
  }

  const letters = (cluster: string): void => {
    for (let left = cluster.slice(1); left !== ""; ) {
      const letter = left.charAt(0)
      const row = findLetter(letter, command)
      if (!row) throw refuseOption(`-${letter}`, letter, command)
      left = left.slice(1)
      if (letter === "v") {
        const digits = /^\d+/.exec(left)?.[0]
        if (digits === undefined) verbosity++
        else setVerbosity(digits)
        left = left.slice(digits?.length ?? 0)
      } else if (row.value !== undefined) {
        take(row, `-${letter}`, left === "" ? undefined : left)
        return
      } else options.push({ name: row.name, value: true })
    }
  }

  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      words.push(...rest.splice(0))
    } else if (word.startsWith("--")) long(word)
    else if (word.startsWith("-") && word !== "-") letters(word)
    else words.push(word)
  }
  options.push({ name: "verbosity", value: String(verbosity) })
  return { command, options, words }
}

/** The command and all other words. Options may stand before the command, as with CRIU. */
function splitCommand(argv: readonly string[]): [CommandName, string[]] {
  if (argv.length === 0) throw misused(undefined, "No command is given")
  const takesValue = (word = ""): boolean =>
    OPTIONS.some(({ name, short, value }) => value && (word === `--${name}` || word === `-${short}`) && short !== "v")
  const at = argv.findIndex((word, index) => !word.startsWith("-") && !takesValue(argv[index - 1]))
  const word = argv[at]
  if (word === undefined) throw misused(undefined, `No command is given beside "${argv.join(" ")}"`)
  if (!isCommand(word)) throw refuseCommand(word)
  return [word, argv.toSpliced(at, 1)]
}
