/**
 * What `stasis plan` predicts beside what dumps take: run it on a quiet machine and put the costs that fit into src/flow/dump/predict.ts.
 * `sh build/bootstrap.sh test/bench/calibrate.ts`. Each load is dumped several times with --leave-running, before all others that want to
 * run (SCHED_FIFO), load and tool alike; the least time counts, for whatever else the machine does only adds to it.
 */
import { readFileSync } from "node:fs"
import { cleanUp } from "../harness/process.ts"
import { must, stasisTool, type Tool } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { table } from "./statistics.ts"

const ROUNDS = 9
const AHEAD = ["chrt", "-f", "10"]
const ahead: Tool = { name: "stasis, ahead of others", command: [...AHEAD, ...stasisTool.command] }
/** Milliseconds that a load gets to come to rest. */
const REST = 300

const load = (threads: number, mebibytes: number): (() => Promise<Victim>) => {
  return () => start("load", { linkage: "static", args: [`${threads}`, `${mebibytes}`] })
}
const tree = (children: number) => async (): Promise<Victim> =>
  launch("tree", ["setsid", "sh", "-c", `for i in $(seq ${children}); do sleep 600 & done; wait`])

const loads: readonly (readonly [string, () => Promise<Victim>])[] = [
  ["1 thread", load(1, 0)],
  ["1 thread, dynamic", () => start("load", { args: ["1", "0"] })],
  ["64 threads", load(64, 0)],
  ["256 threads", load(256, 0)],
  ["256 MiB", load(1, 256)],
  ["512 MiB", load(1, 512)],
  ["21 processes", tree(20)],
  ["101 processes", tree(100)],
]

const childrenOf = (pid: number): string[] => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean)

interface Plan {
  readonly estimate: { readonly imageBytes: number; readonly frozenMicroseconds: number }
}
interface Report {
  readonly bytes: number
  readonly frozenMicroseconds: number
}

const HEAD = ["load", "bytes", "predicted / bytes", "frozen, least, ms", "median", "predicted, ms"]
const rows: string[][] = []
for (const [title, begin] of loads) {
  const victim = await begin()
  await Bun.sleep(REST)
  for (const pid of [victim.pid, ...childrenOf(victim.pid)]) Bun.spawnSync(["chrt", "-f", "-a", "-p", "10", `${pid}`])
  const { estimate } = JSON.parse((await must(stasisTool, "plan", "--json", `${victim.pid}`)).stdout) as Plan
  const reports: Report[] = []
  for (let round = 0; round < ROUNDS; round++)
    reports.push(JSON.parse((await must(ahead, "dump", "--json", "-R", "--no-sync", `${victim.pid}`, victim.images)).stdout) as Report)
  const frozen = reports.map(({ frozenMicroseconds }) => frozenMicroseconds / 1000).sort((a, b) => a - b)
  const [least = 0] = frozen
  const median = frozen[Math.floor(ROUNDS / 2)] ?? 0
  // Each dump leaves a page of stack that was written to: only the first one is what was predicted.
  const bytes = reports[0]?.bytes ?? 0
  console.error(`${title}: frozen for ${frozen.map((value) => value.toFixed(1)).join(" ")} ms`)
  rows.push([
    title,
    `${bytes}`,
    `${(estimate.imageBytes / bytes).toFixed(3)}`,
    least.toFixed(1),
    median.toFixed(1),
    (estimate.frozenMicroseconds / 1000).toFixed(1),
  ])
  cleanUp()
}
console.log(table(HEAD, rows))
process.exit(0)
