import { chmodSync, chownSync, copyFileSync, existsSync } from "node:fs"
import { basename, join } from "node:path"
import { compileVictim } from "./compile.ts"
import { waitFor } from "./deadline.ts"
import { inside, STASIS, scratch } from "./folders.ts"
import { alive } from "./process.ts"
import { type Run, run, type Tool } from "./tool.ts"
import { launch, type Start, type Victim } from "./victim.ts"

/** A user and group that nobody else has. */
export const USER = 1234
/** Another one. */
export const OTHER = 4321

/** Starts what follows as a user with these capabilities, and no others. Words of setpriv(1): "checkpoint_restore" */
export const asUser = (user: number, ...capabilities: string[]): string[] => {
  const list = capabilities.map((name) => `+${name}`).join()
  const given = list ? [`--inh-caps=${list}`, `--ambient-caps=${list}`] : ["--inh-caps=-all"]
  return ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", ...given]
}

/** Starts what follows as root without these capabilities. */
export const asRootWithout = (...capabilities: string[]): string[] => [
  "setpriv",
  `--bounding-set=${capabilities.map((name) => `-${name}`).join()}`,
  "--inh-caps=-all",
]

/** Namespaces of one's own, with one's own IDs or as their root. */
export const OWN = ["unshare", "-Ucpf", "--keep-caps", "--mount-proc"]
export const OWN_ROOT = ["unshare", "-Urpf", "--mount-proc"]

/** Why no test of ordinary users can run here; undefined when they can. */
export function hindrance(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root, to become others"
  const missing = ["setpriv", "unshare"].find((name) => !Bun.which(name))
  if (missing) return `${missing} is missing`
  const { exitCode, stderr } = Bun.spawnSync([...asUser(USER), ...OWN, "true"], { stdin: "ignore", cwd: "/" })
  return exitCode === 0 ? undefined : `an ordinary user may not make namespaces here: ${stderr.toString().trim()}`
}

const published = new Map<string, string>()
/** A copy of a program that every user may execute, wherever this repository is. */
export function publish(path: string): string {
  return published.getOrInsertComputed(path, () => {
    const copy = join(scratch("published"), basename(path))
    copyFileSync(path, copy)
    chmodSync(copy, 0o755)
    return copy
  })
}
/** For afterEach, which removes the copies. */
export const unpublish = (): void => published.clear()

/** The tool behind a prefix. */
export const toolAs = (...prefix: string[]): Tool => ({ name: "stasis", command: [...prefix, publish(STASIS)] })

/** Compiles and starts a victim as a user, to whom its folders belong, behind a prefix. */
export async function startAs(user: number, prefix: readonly string[], name: string, options: Start = {}): Promise<Victim> {
  const base = scratch(name)
  const folder = inside(base, "work")
  const command = [...prefix, publish(compileVictim(name, options.linkage)), join(folder, "../ask"), ...(options.args ?? [])]
  for (const path of [base, folder]) chownSync(path, user, user)
  const victim = launch(name, command, { base })
  for (const path of [victim.images, join(base, "output")]) chownSync(path, user, user)
  await waitFor(`READY of ${name}`, () => victim.lines().some((line) => /^(READY|FAIL|SKIP)/.test(line)) || !alive(victim.pid))
  if (victim.lines()[0] !== "READY") throw new Error(`${name} did not start: ${victim.lines().join(" ")}`)
  return victim
}

/** Restores a victim with a tool that stays until its end, asks it when it runs, and waits for both. */
export async function restoreAndAsk(tool: Tool, victim: Victim): Promise<Run> {
  let ended = false
  const restored = run([...tool.command, "restore", "-D", victim.images, "--pidfile", "ready"]).finally(() => {
    ended = true
  })
  await waitFor("the tree to run", () => ended || existsSync(join(victim.images, "ready")))
  victim.ask()
  return restored
}
