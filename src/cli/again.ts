import { OPTIONS } from "./option-table.ts"
import type { Canonical } from "./spelling.ts"

/** Options that a plan has of its own, or that say what it is made of. */
const OWN: ReadonlySet<string> = new Set(["tree", "images-dir", "verbosity", "json"])

/** A word as a shell takes it. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** The options of a plan that the command which it is for takes too, as words for a shell: without them that may be refused. */
export const optionsAgain = ({ options }: Canonical, command: "dump" | "restore"): string[] =>
  options.flatMap(({ name, value }) => {
    const row = OPTIONS.find((one) => one.name === name)
    if (!row?.commands.includes(command) || OWN.has(name)) return []
    if (typeof value === "boolean") return [value ? `--${name}` : `--no-${name}`]
    return row.unsaid === undefined ? [`--${name}`, quoted(value)] : [`--${name}=${quoted(value)}`]
  })
