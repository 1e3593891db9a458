import { closeSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DEADLINE_SECONDS } from "./deadline.ts"
import { discard, STASIS, scratch } from "./folders.ts"

/** What a tool said and how it ended. */
export interface Run {
  readonly command: string
  /** Exit status; 128 + number when a signal ended it. */
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  readonly milliseconds: number
}

/** A checkpoint tool's command line, so that the same tests drive stasis and CRIU. */
export interface Tool {
  readonly name: string
  /** Program and leading arguments. */
  readonly command: readonly string[]
}

export const stasisTool: Tool = { name: "stasis", command: [STASIS] }

/**
 * Runs a command to its end. Output goes through files: a restored process that kept a pipe of ours open would make the test wait for it.
 *
 * @throws Error when it takes more than `seconds`; the tool is killed
 */
export async function run(
  command: readonly string[],
  options: { seconds?: number; cwd?: string; env?: Record<string, string> } = {},
): Promise<Run> {
  const folder = scratch("run")
  const [out, err] = [join(folder, "out"), join(folder, "err")]
  const [outFd, errFd] = [openSync(out, "w"), openSync(err, "w")]
  const started = performance.now()
  const { cwd, env } = options
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: outFd,
    stderr: errFd,
    ...(cwd && { cwd }),
    env: { ...process.env, ...env },
  })
  closeSync(outFd)
  closeSync(errFd)
  let late = false
  const seconds = options.seconds ?? DEADLINE_SECONDS
  const timer = setTimeout(() => {
    late = true
    child.kill("SIGKILL")
  }, seconds * 1000)
  const exit = await child.exited
  clearTimeout(timer)
  const result: Run = {
    command: command.join(" "),
    status: exit,
    stdout: readFileSync(out, "utf8"),
    stderr: readFileSync(err, "utf8"),
    milliseconds: performance.now() - started,
  }
  discard(folder)
  if (late) throw new Error(`${result.command} took more than ${seconds} s:\n${result.stderr}`)
  return result
}

/** Runs a tool and expects success; the error holds all it said. */
export async function must(tool: Tool, ...args: string[]): Promise<Run> {
  const result = await run([...tool.command, ...args])
  if (result.status !== 0) throw new Error(`${tool.name} ${args.join(" ")} ended with ${result.status}:\n${result.stderr}${result.stdout}`)
  return result
}

/** Dumps a process as every test does it. Extra options go to the tool as they are. */
export const dump = (tool: Tool, pid: number, images: string, ...extra: string[]): Promise<Run> =>
  must(tool, "dump", "-t", `${pid}`, "-D", images, ...extra)

/** Restores a dump in the background. */
export const restore = (tool: Tool, images: string, ...extra: string[]): Promise<Run> => must(tool, "restore", "-D", images, "-d", ...extra)

/** What `--json` prints on standard error for a failure. */
export interface ToldError {
  readonly code: string
  readonly found: string
  readonly next: string
}

/** The failure that a run with `--json` told. @throws Error when standard error holds no such object */
export function toldError({ command, status, stderr }: Run): ToldError {
  for (const line of stderr.split("\n").reverse()) {
    if (!line.startsWith("{")) continue
    const told = JSON.parse(line) as { error?: Partial<ToldError> }
    const { code, found, next } = told.error ?? {}
    if (typeof code === "string" && typeof found === "string" && typeof next === "string") return { code, found, next }
  }
  throw new Error(`${command} ended with ${status} and told no error object:\n${stderr}`)
}

/** Starts a leave-running dump that a test means to end before it is done. */
export function startDump(
  pid: number,
  folder: string,
  stderr: "ignore" | "pipe",
  ...options: string[]
): Bun.Subprocess<"ignore", "ignore", "ignore" | "pipe"> {
  const command = [...stasisTool.command, "dump", "-t", `${pid}`, "-D", folder, "--leave-running", "--no-sync", ...options]
  return Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr })
}
