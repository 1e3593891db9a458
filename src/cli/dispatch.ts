import { useHugePages } from "../../ffi/heap.ts"
import { logTo } from "../base/log.ts"
import { type CommandName, isCommand } from "./commands.ts"
import { reportFailure } from "./failure.ts"
import { requireMachine } from "./machine.ts"
import { refuseUnreadable, workingDirectory } from "./paths.ts"
import { print } from "./print.ts"
import { checkOptions, rseqOptions, showOptions } from "./records.ts"
import { type Canonical, canonical } from "./spelling.ts"
import { flag, verbosityOf } from "./values.ts"

/** What each command loads and runs: nothing of a command that is not asked for is loaded. */
const RUN: Readonly<Record<CommandName, (line: Canonical) => Promise<number>>> = {
  dump: async (line) => (await import("./dump.ts")).runDump(line),
  restore: async (line) => (await import("./restore.ts")).runRestore(line),
  plan: async (line) => (await import("./plan.ts")).runPlan(line),
  rseq: async (line) => {
    const options = rseqOptions(line, workingDirectory())
    return (await import("./rseq.ts")).runRseq(options)
  },
  check: async (line) => {
    const options = checkOptions(line)
    return (await import("./check.ts")).runCheck(options)
  },
  show: async (line) => {
    const { path, ...options } = showOptions(line, workingDirectory())
    const { show } = await import("./show.ts")
    print(show(path, options))
    return 0
  },
}

/** Runs the command that `argv` names, or prints the help. @returns exit status; every failure is printed and becomes one */
export async function runCommand(argv: readonly string[]): Promise<number> {
  useHugePages()
  // Known before the words are understood: a line that cannot be understood is answered in JSON too.
  let json = argv.includes("--json")
  try {
    if (argv[0] === "--help" || argv[0] === "-h" || argv[0] === "help") {
      const word = argv[1] ?? ""
      return await help(isCommand(word) ? word : undefined)
    }
    refuseUnreadable(argv)
    const line = canonical(argv)
    json = flag(line, "json")
    if (flag(line, "help")) return await help(line.command)
    logTo(2, verbosityOf(line), json ? "json" : "text")
    requireMachine(line)
    return await RUN[line.command](line)
  } catch (error) {
    return reportFailure(error, json)
  }
}

async function help(command: CommandName | undefined): Promise<number> {
  const { printHelp } = await import("./help.ts")
  printHelp(command)
  return 0
}
