/**
 * `npm run demo`: the main job from end to end on a program of seven threads, one of them inside an rseq critical section.
 * Prints every command that it runs.
 */
import { compileVictim } from "./harness/compile.ts"
import { waitFor } from "./harness/deadline.ts"
import { STASIS } from "./harness/folders.ts"
import { alive, threadsOf } from "./harness/process.ts"
import { registrations, rseqThreads } from "./harness/rseq.ts"
import { heading, require, showMust, typed } from "./harness/script.ts"
import { stasisTool } from "./harness/tool.ts"
import { launch, type Victim } from "./harness/victim.ts"

/** The newest line of counters as numbers by thread name. */
function counters(victim: Victim): Map<string, number> {
  const line = victim.lines().at(-1) ?? ""
  return new Map([...line.matchAll(/(\S+) (\d+)/g)].map(([, name = "", count]) => [name, Number(count)]))
}

const nextLine = async (victim: Victim) => {
  const seen = victim.lines().length
  await waitFor("the next line of counters", () => victim.lines().length > seen)
}

function fail(reason: string): never {
  console.error(`\nThe demo failed: ${reason}`)
  process.exit(1)
}

require()
heading("Build the binary")
await showMust(["npm", "run", "--silent", "build"])

heading("Start a program of seven threads that count into memory")
const program = compileVictim("demo")
const victim = launch("demo", [program, "{folder}"])
console.log(`$ ${typed([program])} &        # PID ${victim.pid}, built from test/victims/demo.c`)
await waitFor("the first counters", () => victim.lines().length >= 4)
const { pid } = victim
console.log(victim.lines().at(-1))

heading("Each thread and its rseq state")
await showMust([STASIS, "rseq", `${pid}`])
const registered = registrations(await rseqThreads(stasisTool, `${pid}`))

heading("Dump it: its state goes to files, and it is killed")
await showMust([STASIS, "dump", "-t", `${pid}`, "-D", victim.images])
await victim.gone()
console.log(`PID ${pid} is gone`)
const before = counters(victim)
console.log(`its last words: ${victim.lines().at(-1)}`)

heading("What is in the images")
await showMust([STASIS, "show", victim.images])

heading("Restore it")
await showMust([STASIS, "restore", "-D", victim.images, "-d"])
if (!alive(pid)) fail(`PID ${pid} does not run`)
console.log(`PID ${pid} runs again with ${threadsOf(pid).length} threads`)

heading("Each thread goes on counting")
await nextLine(victim)
for (let i = 0; i < 3; i++) await nextLine(victim)
const after = counters(victim)
for (const [name, count] of after) console.log(`${name.padEnd(12)} ${`${before.get(name)}`.padStart(9)} -> ${`${count}`.padStart(9)}`)

heading("rseq is registered as before")
await showMust([STASIS, "rseq", `${pid}`])
const now = registrations(await rseqThreads(stasisTool, `${pid}`))

if (now.join() !== registered.join()) fail(`registrations were ${registered.join("; ")}, are ${now.join("; ")}`)
if (after.get("wrong") !== 0) fail(`the program counted ${after.get("wrong")} faults`)
const stuck = [...after].filter(([name, count]) => name !== "wrong" && !(count > (before.get(name) ?? 0)))
if (stuck.length > 0) fail(`threads that stand still: ${stuck.map(([name]) => name).join(", ")}`)
console.log("\nAll threads went on where they were, and rseq is registered as before.")
process.exit(0)
