import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { readCpu } from "../../ffi/cpu.x86_64.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, orphans, statusOf, threadsOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { must, run, startDump, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { hasNamed } from "./images.ts"

afterEach(cleanUp)
/** Random moments for each signal, over all its victims. */
const MOMENTS = Number(process.env.STASIS_MOMENTS ?? 200)
const TILES = hasNamed(readCpu().words, "amx_tile") ? [["amx"] as const] : []
const VICTIMS: readonly (readonly [source: string, ...args: string[]])[] = [
  ["threads"],
  ["fpu"],
  ...TILES,
  ["rseqcount", "{folder}"],
  ["seccomp", "filters"],
]
const SHARE = Math.ceil(MOMENTS / VICTIMS.length)

/** Middle of three leave-running dumps, ms. */
async function usualDuration(victim: Victim, folder: string): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 3; i++) times.push((await dumpInto(victim, folder)).milliseconds)
  return times.sort((a, b) => a - b)[1] ?? 0
}

async function dumpInto(victim: Victim, folder: string) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  return must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", folder, "--leave-running", "--no-sync")
}

/** After the tool died: no tracer, no stop, as many threads as before, no child of it, and either a complete set or none. */
async function expectReleased(victim: Victim, folder: string, threads: number): Promise<void> {
  await waitFor(`${victim.name} to be released`, () => statusOf(victim.pid, "TracerPid") === "0")
  expect(alive(victim.pid)).toBe(true)
  expect(statusOf(victim.pid, "State")).not.toMatch(/^[tTZ]/)
  expect(threadsOf(victim.pid).length).toBe(threads)
  await waitFor("the tool's own children to end", () => orphans().length === 0)
  if (existsSync(join(folder, "inventory.img"))) await must(stasisTool, "show", folder)
}

/** Dumps and sends the tool a signal after a random part of a dump's duration, SHARE times. Returns how many runs it ended. */
async function disturb(victim: Victim, folder: string, name: "SIGKILL" | "SIGINT"): Promise<number> {
  const duration = await usualDuration(victim, folder)
  const threads = threadsOf(victim.pid).length
  let ended = 0
  for (let i = 0; i < SHARE; i++) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
    // Every other one reads the tree a second time, and takes longer.
    const twice = i % 2 === 1
    const tool = startDump(victim.pid, folder, "ignore", ...(twice ? ["--verify"] : []))
    await Bun.sleep(Math.random() * duration * (twice ? 1.5 : 1))
    tool.kill(name)
    const status = await tool.exited
    if (status !== 0) ended++
    if (name === "SIGINT") {
      // Interrupted runs clean up: all or nothing. 130 is the runtime itself, before the tool has taken the signal over.
      expect([0, 8, 130]).toContain(status)
      const images = readdirSync(folder).filter((image) => image.endsWith(".img"))
      if (status === 0) expect(images).toContain("inventory.img")
      else expect(images).toEqual([])
    }
    await expectReleased(victim, folder, threads)
  }
  return ended
}

for (const name of ["SIGKILL", "SIGINT"] as const)
  describe(`${name} at ${MOMENTS} random moments of a leave-running dump`, () => {
    for (const [source, ...args] of VICTIMS)
      test(`${source} stays well and can be dumped afterwards`, async () => {
        const victim = await start(source, { args })
        const folder = join(victim.images, "set")
        const ended = await disturb(victim, folder, name)
        // On a machine whose speed changes most of the moments may come too late.
        expect(ended).toBeGreaterThan(SHARE / 10)
        await dumpInto(victim, folder)
        victim.ask()
        expect(await victim.answer()).toBe("OK")
      }, 180_000)
  })

const strace = Bun.which("strace")
const CALLS = "ptrace,process_vm_writev,process_vm_readv,kill,tgkill,pwrite64,renameat2,rename"

/** Runs a leave-running dump under strace(1). @param words of it, as an injection   Returns its status, and the lines of strace. */
async function straced(victim: Victim, folder: string, calls: string, ...words: string[]) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const dump = [...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", folder, "--leave-running", "--no-sync"]
  const log = `${victim.images}/calls`
  const { status } = await run(["strace", "-f", "-qq", "-e", `trace=${calls}`, ...words, "-o", log, ...dump], { seconds: 60 })
  return { status, lines: (await Bun.file(log).text()).split("\n").length }
}

describe("SIGKILL at each kernel call that touches the victim", () => {
  if (!strace) skip("SIGKILL at each kernel call: strace is not installed (apt-get install strace, needs root)")

  test.skipIf(!strace)(
    "threads stays well",
    async () => {
      const victim = await start("threads")
      const threads = threadsOf(victim.pid).length
      const folder = join(victim.images, "set")
      const whole = await straced(victim, folder, CALLS)
      expect(whole.status).toBe(0)
      const calls = whole.lines
      const step = Math.max(1, Math.ceil(calls / MOMENTS))
      for (let when = 1; when < calls; when += step) {
        await straced(victim, folder, CALLS, "-e", `inject=${CALLS}:signal=KILL:when=${when}`)
        await expectReleased(victim, folder, threads)
      }
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    },
    300_000,
  )

  test.skipIf(!strace)(
    "of two processes that share their memory, the next dump takes from under neither what the killed one left",
    async () => {
      const victim = await start("sharers", { args: ["asleep", "{folder}"] })
      const folder = join(victim.images, "set")
      const members = victim.members().length
      const whole = await straced(victim, folder, "ptrace")
      expect(whole.status).toBe(0)
      // Earlier ones stop the processes, and nothing has run in them yet.
      for (let when = Math.ceil(whole.lines / 3); when < whole.lines; when += 2) {
        await straced(victim, folder, "ptrace", "-e", `inject=ptrace:signal=KILL:when=${when}`)
        await waitFor(`${victim.name} to be released`, () => statusOf(victim.pid, "TracerPid") === "0")
        await dumpInto(victim, folder)
        expect(victim.members().length).toBe(members)
      }
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    },
    120_000,
  )
})
