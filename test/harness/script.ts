import { closeSync, openSync } from "node:fs"
import { ROOT } from "./folders.ts"

/** Prints a heading of a script. */
export const heading = (text: string): void => console.log(`\n== ${text}`)

/** A command as it would be typed in the repository's root. */
export const typed = (command: readonly string[]): string =>
  command
    .map((word) => word.replaceAll(`${ROOT}/`, ""))
    .map((word) => (/^[\w./:=+@,-]+$/.test(word) ? word : `'${word}'`))
    .join(" ")

/**
 * Prints a command, runs it in the repository's root with its output on the terminal.
 *
 * @returns exit status
 */
export async function show(command: readonly string[]): Promise<number> {
  console.log(`$ ${typed(command)}`)
  return Bun.spawn([...command], { cwd: ROOT, stdin: "ignore", stdout: "inherit", stderr: "inherit" }).exited
}

/** Prints a command and runs it with its output in a file. @returns exit status */
export async function showLater(command: readonly string[], path: string): Promise<number> {
  console.log(`$ ${typed(command)} # shown later`)
  const output = openSync(path, "w")
  try {
    return await Bun.spawn([...command], { cwd: ROOT, stdin: "ignore", stdout: output, stderr: output }).exited
  } finally {
    closeSync(output)
  }
}

/** The same as `show`, for commands that must succeed: a failure ends the script with status 1. */
export async function showMust(command: readonly string[]): Promise<void> {
  const status = await show(command)
  if (status === 0) return
  console.error(`${typed(command)} ended with ${status}`)
  process.exit(1)
}

/** What a fresh Debian lacks for building and testing: a line for each, that names the package. Nothing is installed. */
export function missing(): string[] {
  const wanted = [
    ["cc", "gcc libc6-dev", "the C compiler builds the programs that tests dump"],
    ["ld", "binutils", "the stub is assembled"],
    ["setsid", "util-linux", "programs are started in sessions of their own"],
  ] as const
  return wanted
    .filter(([program]) => !Bun.which(program))
    .map(([program, packages, why]) => `${program} is missing, ${why}: apt-get install ${packages} (needs root)`)
}

/** Ends the script when something is missing, or when it does not run as root, which tracing and choosing PIDs needs. */
export function require(): void {
  const lacks = missing()
  if (process.platform !== "linux") lacks.push(`this is ${process.platform}, stasis works on Linux`)
  else if (process.getuid?.() !== 0) lacks.push("run it as root: dumping reads other processes, restoring chooses PIDs")
  if (lacks.length === 0) return
  for (const line of lacks) console.error(line)
  process.exit(1)
}
