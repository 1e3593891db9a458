/**
 * `npm run bench`: stasis beside CRIU of Debian 13 in one run, alternating, as markdown tables. Runs itself again in a private mount
 * namespace where /run and the folder of the images are tmpfs: so CRIU keeps its cache of kernel probes, and no disk is measured.
 * Arguments: titles of loads (tiny, threads, threads-1000, memory, tree, descriptors, and of stasis alone threads-10000, tree-1000), or
 * startup; all without.
 */
import { rmSync } from "node:fs"
import { fetchPeer } from "../crossing/fetch.ts"
import { heading, require, showMust } from "../harness/script.ts"
import { stasisTool, type Tool } from "../harness/tool.ts"
import { type Load, measure, type Sample } from "./measure.ts"
import { startupTable } from "./startup.ts"
import { ratio, spread, table } from "./statistics.ts"

const INSIDE = "STASIS_BENCH_INSIDE"

const threads = (title: string, count: number, rounds: number, compared: boolean): Load => {
  return { title, what: `${count} ${count === 1 ? "thread" : "threads"}`, victim: "load", args: [count, 0], mebibytes: 0, rounds, compared }
}

const loads: readonly Load[] = [
  threads("tiny", 1, 15, true),
  threads("threads", 64, 11, true),
  threads("threads-1000", 1000, 5, true),
  { title: "memory", what: "1 GiB", victim: "load", args: [1, 1024], mebibytes: 1024, rounds: 7, compared: true },
  {
    title: "tree",
    what: "101 processes: root, 10 children, 90 of theirs",
    victim: "forest",
    args: [10, 9],
    mebibytes: 0,
    rounds: 9,
    compared: true,
  },
  {
    title: "descriptors",
    what: "1000 files and 200 pipes in one process",
    victim: "descriptors",
    args: [1000, 200],
    mebibytes: 0,
    rounds: 9,
    compared: true,
  },
  // How it grows: of stasis alone.
  threads("threads-10000", 10_000, 2, false),
  {
    title: "tree-1000",
    what: "1011 processes in four levels",
    victim: "forest",
    args: [10, 10, 9],
    mebibytes: 0,
    rounds: 2,
    compared: false,
  },
]

const measures: readonly (readonly [string, (sample: Sample) => number])[] = [
  ["dump, ms", ({ dump }) => dump],
  ["frozen, ms", ({ frozen }) => frozen],
  ["frozen and left running, ms", ({ pause }) => pause],
  ["restore, ms", ({ restore }) => restore],
  ["images, KiB", ({ bytes }) => bytes / 1024],
]

/** Runs this file again where mounts are its own. */
async function enterNamespace(): Promise<never> {
  const mounts = 'mount -t tmpfs tmpfs /run && mkdir -p /run/bench && exec "$@"'
  const child = Bun.spawn(["unshare", "-m", "sh", "-c", mounts, "sh", process.execPath, import.meta.path, ...process.argv.slice(2)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, [INSIDE]: "1", TMPDIR: "/run/bench" },
  })
  process.exit(await child.exited)
}

interface Contender {
  readonly name: string
  readonly tool: Tool
  /** What is done before each of its dumps. */
  readonly before: () => void
}

/** One load: each tool in turn, each round; the first round is not counted. */
async function compare(load: Load, tools: readonly Contender[]): Promise<Sample[][]> {
  const samples: Sample[][] = tools.map(() => [])
  for (let round = -1; round < load.rounds; round++)
    for (const [index, { tool, before }] of tools.entries()) {
      const sample = await measure(tool, load, before)
      if (round >= 0) samples[index]?.push(sample)
    }
  return samples
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2)
  const peer = fetchPeer()
  const nothing = () => {}
  const tools: Contender[] = [{ name: "stasis", tool: stasisTool, before: nothing }]
  if (typeof peer === "string") console.log(`CRIU is not measured: ${peer}`)
  else {
    tools.push({ name: `CRIU ${peer.version}`, tool: peer.criu, before: nothing })
    // What it costs where /run is a disk: CRIU then keeps no cache and probes the kernel each time.
    tools.push({ name: "CRIU without its cache", tool: peer.criu, before: () => rmSync("/run/criu.kdat", { force: true }) })
  }
  const rows: string[][] = []
  for (const load of loads) {
    if (wanted.length > 0 && !wanted.includes(load.title)) continue
    const running = load.compared ? tools : tools.slice(0, 1)
    console.log(`measuring ${load.title}: ${load.what}, ${load.rounds} rounds of ${running.length} tools`)
    const [ours = [], ...theirs] = await compare(load, running)
    for (const [name, of] of measures) {
      const values = ours.map(of)
      const others = theirs.map((samples) => samples.map(of))
      const cells = tools.slice(1).map((_, index) => (others[index] ? spread(others[index]) : "-"))
      rows.push([load.title, name, spread(values), ...cells, others[0] ? ratio(values, others[0]) : "-"])
    }
  }
  const head = ["load", "median (least-most)", ...tools.map(({ name }) => name), tools.length > 1 ? "stasis / CRIU" : ""]
  heading("stasis beside CRIU: images and /run on tmpfs, memory warm; below 1 stasis is better")
  if (rows.length > 0) console.log(`\n${table(head, rows)}`)
  if (wanted.length === 0 || wanted.includes("startup")) console.log(`\n${startupTable()}`)
}

require()
if (process.env[INSIDE]) {
  try {
    await main()
    process.exit(0)
  } catch (error) {
    // Ended by a thrown error the runtime tells no exit listener, and a restored load would live on.
    console.error(error)
    process.exit(1)
  }
}
heading("Build the binary")
await showMust(["npm", "run", "--silent", "build"])
await enterNamespace()
