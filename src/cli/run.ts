import { version } from "./version.ts"

/**
 * Runs one command line. Never throws: every failure is printed here, once.
 *
 * @param argv words after the program's name
 * @returns the exit status, see EXIT_STATUS in src/base/errors.ts
 */
export async function run(argv: readonly string[]): Promise<number> {
  // Answered before anything else is loaded: scripts ask for it often.
  if (argv[0] === "--version" || argv[0] === "-V") {
    console.log(`stasis ${version}`)
    return 0
  }
  const { runCommand } = await import("./dispatch.ts")
  return runCommand(argv)
}
