import { CheckpointError } from "../base/errors.ts"
import { COMMANDS, type CommandName, CRIU_COMMANDS } from "./commands.ts"
import { CRIU_OPTIONS } from "./criu-options.ts"
import { OPTIONS } from "./option-table.ts"
import { nearest } from "./suggest.ts"

/** Characters of a line that are kept when it is longer: its words of ours stand at both ends, what somebody typed between them. */
const [FRONT, BACK] = [120, 80] as const

function shortened(text: string): string {
  const characters = [...text]
  return characters.length <= FRONT + BACK + 1 ? text : [...characters.slice(0, FRONT), "…", ...characters.slice(-BACK)].join("")
}

/** A command line that cannot be understood; of a very long word the middle is left out. @returns CheckpointError E_USAGE */
export const misused = (command: CommandName | undefined, found: string, next?: string): CheckpointError =>
  new CheckpointError(
    "E_USAGE",
    command ? `Cannot run "stasis ${command}"` : "Cannot run stasis",
    shortened(found),
    shortened(next ?? `See "stasis ${command ?? ""}${command ? " " : ""}--help"`),
  )

/** A first word that is no command of ours: CRIU's are refused by name, with what to use instead. */
export function refuseCommand(word: string): CheckpointError {
  const instead = Object.hasOwn(CRIU_COMMANDS, word) ? CRIU_COMMANDS[word] : undefined
  if (instead)
    return new CheckpointError(
      "E_OPTION_UNSUPPORTED",
      "Cannot run stasis",
      `"${word}" is a command of CRIU that stasis does not have`,
      instead,
    )
  const near = nearest(word, Object.keys(COMMANDS))
  return misused(undefined, `"${word}" is not a command`, near.length > 0 ? `Did you mean ${near.join(" or ")}?` : undefined)
}

/**
 * An option that the command does not take: CRIU's are refused by name; ours of another command and mistyped ones get a hint.
 *
 * @param spelled as the user wrote it, with its dashes and without its value
 * @param name long name without dashes and without "no-", or the letter
 */
export function refuseOption(spelled: string, name: string, command: CommandName): CheckpointError {
  const criu = findCriuOption(name, command)
  if (criu) {
    const shown = spelled.startsWith("--") ? `"${spelled}"` : `"${spelled}" (--${criu.name})`
    const found = `${shown} is an option of CRIU that stasis does not have (${criu.does})`
    return new CheckpointError("E_OPTION_UNSUPPORTED", `Cannot run "stasis ${command}"`, found, criu.instead)
  }
  const other = OPTIONS.find((row) => row.name === name || row.short === name)
  if (other) return misused(command, `"${spelled}" belongs to stasis ${other.commands.join(", stasis ")}`, `Leave ${spelled} out`)
  const mine = OPTIONS.filter((row) => row.commands.includes(command)).map((row) => row.name)
  const near = nearest(name, mine)
  return misused(
    command,
    `"${spelled}" is not an option`,
    near.length > 0 ? `Did you mean ${near.map((word) => `--${word}`).join(" or ")}?` : undefined,
  )
}

/** A refused option of CRIU by long name or letter, as far as it concerns this command. */
export function findCriuOption(
  name: string,
  command: CommandName,
): { name: string; does: string; instead: string; boolean?: true } | undefined {
  for (const [long, row] of Object.entries(CRIU_OPTIONS))
    if ((name === long || name === row.short) && (row.commands?.includes(command) ?? true)) return { ...row, name: long }
  return undefined
}
