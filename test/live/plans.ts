import { readFileSync } from "node:fs"
import { waitFor } from "../harness/deadline.ts"
import { statusOf } from "../harness/process.ts"
import { type Run, run, stasisTool } from "../harness/tool.ts"
import { launch, type Victim } from "../harness/victim.ts"

/** `stasis plan --json`. */
export const plan = (...args: string[]): Promise<Run> => run([...stasisTool.command, "plan", "--json", ...args])
/** Its answer. */
export const told = <T>({ stdout }: Run): T => JSON.parse(stdout) as T

/** A tree of a shell and its children, in a session of its own. */
export async function startTree(children: number): Promise<Victim> {
  const shell = `for i in $(seq ${children}); do sleep 600 & done; wait`
  const victim = launch("tree", ["setsid", "sh", "-c", shell])
  await waitFor("the children", () => readFileSync(`/proc/${victim.pid}/task/${victim.pid}/children`, "utf8").split(" ").length > children)
  await waitFor("their programs", () => childrenOf(victim).every((pid) => statusOf(pid, "Name") === "sleep"))
  return victim
}

/** PIDs of its children. */
export const childrenOf = ({ pid }: Victim): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)
