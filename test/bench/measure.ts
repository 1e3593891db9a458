import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { decodeImage } from "../../src/image/read.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, signal } from "../harness/process.ts"
import type { Tool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

/** What is dumped and restored. */
export interface Load {
  readonly title: string
  /** In words. */
  readonly what: string
  /** A victim of test/victims, and its arguments. */
  readonly victim: "load" | "forest" | "descriptors"
  readonly args: readonly number[]
  /** Of memory that it has touched. */
  readonly mebibytes: number
  /** Timed runs of each tool. */
  readonly rounds: number
  /** Whether CRIU is measured too. */
  readonly compared: boolean
}

/** One timed run; milliseconds and bytes. */
export interface Sample {
  readonly dump: number
  /** From the first stop to the end of the dump, as the tool's own stats-dump tells: freezing plus frozen time. */
  readonly frozen: number
  /** The same of a dump that leaves the load running: how long a program stands still that goes on afterwards. */
  readonly pause: number
  readonly restore: number
  readonly bytes: number
}

/** Milliseconds that a load gets to come to rest. */
const REST = 30

/** Milliseconds after which a command counts as hung. */
const LONGEST = 60_000

/** Wall time of a command from its start to its end, ms. @throws Error with its words when it fails or hangs */
export function wall(command: readonly string[]): number {
  // Without `env` it would get what this program started with, and not the CRIU_FAULT that fetch.ts found to be needed.
  const options = { stdin: "ignore", stdout: "ignore", stderr: "pipe", env: process.env, timeout: LONGEST, killSignal: "SIGKILL" } as const
  const started = performance.now()
  const { exitCode, stderr } = Bun.spawnSync([...command], options)
  const took = performance.now() - started
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${stderr.toString()}`)
  return took
}

/** Frozen time of a dump, ms. */
function frozenTime(images: string): number {
  const path = join(images, "stats-dump")
  const entry = decodeImage("stats", path, readFileSync(path))[0]?.message
  if (!entry?.dump) throw new Error(`${path} says nothing of a dump`)
  return (entry.dump.freezing_time + entry.dump.frozen_time) / 1000
}

/** Bytes in all image files, logs apart. */
const imageBytes = (images: string): number =>
  readdirSync(images)
    .filter((name) => !name.endsWith(".log"))
    .reduce((sum, name) => sum + statSync(join(images, name)).size, 0)

/** A process and all below it, as they are now. */
function treeOf(root: number): number[] {
  const met = [root]
  for (const pid of met) met.push(...readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number))
  return met
}

/** Touches and frees twice the memory that a run needs: the first touch of memory that the host took back costs seconds. */
export function warmMemory({ mebibytes }: Load): void {
  if (mebibytes > 0) wall([compileVictim("load", "static"), "/none", "1", `${mebibytes * 2 + 256}`, "warm"])
}

/**
 * Starts the load, dumps it and leaves it running, dumps it with a kill, restores it, and ends it. Images lie below tmpdir, which the
 * benchmark puts on a tmpfs.
 *
 * @param before is called before each dump
 */
export async function measure(tool: Tool, load: Load, before: () => void): Promise<Sample> {
  warmMemory(load)
  const victim = await start(load.victim, { linkage: "static", args: load.args.map(String) })
  await Bun.sleep(REST)
  const beside = mkdtempSync(`${victim.images}-left-`)
  before()
  wall([...tool.command, "dump", "-t", `${victim.pid}`, "-D", beside, "-R"])
  const pause = frozenTime(beside)
  rmSync(beside, { recursive: true })
  const original = treeOf(victim.pid)
  before()
  const dump = wall([...tool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images])
  // Orphans keep their PIDs until init reaps them: how long that takes says nothing about a tool.
  await waitFor("the PIDs of the load to be free", () => !original.some((pid) => existsSync(`/proc/${pid}`)))
  const restore = wall([...tool.command, "restore", "-D", victim.images, "-d"])
  if (!alive(victim.pid)) throw new Error(`${tool.name} restored nothing`)
  const sample = { dump, restore, pause, frozen: frozenTime(victim.images), bytes: imageBytes(victim.images) }
  const tree = treeOf(victim.pid)
  for (const pid of tree) signal(pid, "SIGKILL")
  await waitFor("the restored load to end", () => !tree.some(alive))
  victim.discard()
  return sample
}
