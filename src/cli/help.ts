import { type CAC, cac } from "cac"
import { COMMANDS, type CommandName } from "./commands.ts"
import { OPTIONS } from "./option-table.ts"
import { version } from "./version.ts"

const NOTES = {
  title: "Notes",
  body: [
    "  Each option without a value has a --no- form. --option VALUE and --option=VALUE are the same.",
    "  --no-default-config is accepted as with CRIU: no configuration file is ever read.",
    "  Exit status: 0 done, 2 wrong command line, 3 not supported, 4 the process, 5 the images, 6 the host,",
    "  7 conflict at restore, 8 interrupted or out of time, 1 a mistake of stasis. restore without -d: that of the restored root.",
  ].join("\n"),
}

/** Prints the help of one command, or of all, on standard output. */
export function printHelp(command: CommandName | undefined): void {
  const program = describeProgram()
  if (command) program.commands.find(({ name }) => name === command)?.outputHelp()
  else program.globalCommand.outputHelp()
}

/**
 * The commands and options as cac shows them. Values are not read by cac: it would make the number 7 of a directory named 007
 * and knows neither -v4 nor -Rj, so spelling.ts reads them, from the same tables.
 */
function describeProgram(): CAC {
  const program = cac("stasis")
    .version(version, "-V, --version")
    .help((sections) => [...sections, NOTES])
  for (const [name, { usage, help }] of Object.entries(COMMANDS)) {
    const command = program.command(usage, help)
    for (const row of OPTIONS) {
      // cac prints a made-up default for a name that begins with "no-": those stand in NOTES.
      if (!row.commands.some((taker) => taker === name) || row.name === "help" || row.negativeOnly) continue
      const long = `--${row.name}${row.value ? ` <${row.value}>` : ""}`
      command.option(row.short ? `-${row.short}, ${long}` : long, row.help)
    }
  }
  return program
}
