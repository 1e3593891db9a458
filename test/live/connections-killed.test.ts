import { afterEach, expect, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, linkOf, signal, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { pair } from "./peers.ts"

afterEach(cleanUp)

const strace = Bun.which("strace")
if (!strace) skip("restores of connections that are killed: strace is not installed (apt-get install strace, needs root)")

/** The guards of a tool. */
const guardsOf = (tool: number): number[] =>
  readdirSync("/proc")
    .filter((pid) => linkOf(`/proc/${pid}/exe`)?.includes("stasis-guard") && statusOf(Number(pid), "PPid") === `${tool}`)
    .map(Number)

const OPTIONS = "--tcp-established"

/** Dumps a server, which ends, into a folder of its own. @returns the folder */
async function away(server: Victim, round: string): Promise<string> {
  const images = join(server.images, round)
  mkdirSync(images)
  await dump(stasisTool, server.pid, images, OPTIONS)
  await server.gone()
  return images
}

/** Where strace writes the calls of a tool down. */
const logOf = ({ folder }: Victim): string => join(folder, "calls")

/** A tool under strace. @param calls names, separated by commas   @param more options of strace */
const traced = (victim: Victim, calls: string, more: readonly string[], tool: readonly string[]): string[] => [
  ...["strace", "-D", "-q", "-e", `trace=${calls}`, ...more, "-o", logOf(victim)],
  ...[...stasisTool.command, ...tool],
]

/** The calls of a tool that was traced to its end, a line each. */
async function callsOf(victim: Victim): Promise<string[]> {
  const lines = await waitFor("the end of strace", () => {
    const all = readFileSync(logOf(victim), "latin1").split("\n")
    return all.some((line) => line.startsWith("+++ ")) && all
  })
  return lines.filter((line) => /^\w+\(/.test(line))
}

/** Waits until nothing is left of a restored server whose tool was killed, and restores it again. */
async function restoreAgain(server: Victim, images: string): Promise<void> {
  await waitFor(`the end of ${server.pid}`, () => !alive(server.pid))
  await server.gone()
  await restore(stasisTool, images, OPTIONS)
}

/** Asks both ends of a connection, which end with their answers. */
async function expectWell({ server, client, ask }: Awaited<ReturnType<typeof pair>>): Promise<void> {
  ask()
  expect(await server.answer()).toBe("OK")
  expect(await client.answer()).toBe("OK")
}

const CALLS = ["ptrace", "sendto", "setsockopt"] as const

test.skipIf(!strace)(
  "kill -9 in the last moments of a restore: either nothing is left and it can be restored again, or the tree and its connections go on",
  async () => {
    const both = await pair()
    const { server } = both
    const restoring = (calls: string, images: string, ...more: string[]): string[] =>
      traced(server, calls, more, ["restore", "-D", images, "-d", OPTIONS])
    const counts = new Map<string, number>()
    for (const call of CALLS) {
      expect((await run(restoring(call, await away(server, call)))).status).toBe(0)
      counts.set(call, (await callsOf(server)).length)
    }
    const count = (call: (typeof CALLS)[number]): number => counts.get(call) ?? 0
    // They come in this order: repair mode ends, the way back is cut (PTRACE_SETOPTIONS), both tables go, the peer is told, the thread is
    // let go.
    const moments = [
      ["setsockopt", count("setsockopt") - 2, false],
      ["ptrace", count("ptrace") - 1, false],
      ["sendto", count("sendto") - 1, true],
      ["sendto", count("sendto"), true],
      ["setsockopt", count("setsockopt") - 1, true],
      ["setsockopt", count("setsockopt"), true],
      ["ptrace", count("ptrace"), true],
    ] as const
    for (const [index, [call, when, lives]] of moments.entries()) {
      const images = await away(server, `killed-${index}`)
      const { status } = await run(restoring(call, images, "-e", `inject=${call}:signal=KILL:when=${when}`))
      expect([index, status]).toEqual([index, 137])
      // It has the connection too until it has done what the tool could not.
      await waitFor("the end of the guard", () => !readdirSync("/proc").some((pid) => linkOf(`/proc/${pid}/exe`)?.includes("stasis-guard")))
      if (lives) expect([index, alive(server.pid)]).toEqual([index, true])
      else await restoreAgain(server, images)
    }
    await expectWell(both)
  },
  120_000,
)

/** Options that the second look of a restore sets from where it begins with the one connection. */
const LOOKS = 6

test.skipIf(!strace)(
  "kill -9 while --verify reads a restored connection: it dies unheard, and can be restored again",
  async () => {
    const both = await pair()
    const { server } = both
    const restoring = (images: string, ...more: string[]): string[] =>
      traced(server, "setsockopt", more, ["restore", "-D", images, "-d", OPTIONS, "--verify"])
    expect(await run(restoring(await away(server, "whole")))).toMatchObject({ status: 0, stderr: "" })
    const begin = (await callsOf(server)).findIndex((line) => line.includes("TCP_REPAIR_QUEUE, [1]"))
    expect(begin).toBeGreaterThanOrEqual(0)
    for (let further = 1; further <= LOOKS; further++) {
      const images = await away(server, `${further}`)
      const { status } = await run(restoring(images, "-e", `inject=setsockopt:signal=KILL:when=${begin + further}`))
      expect([further, status]).toEqual([further, 137])
      await restoreAgain(server, images)
    }
    await expectWell(both)
  },
  120_000,
)

/** Options that a dump sets at least from where it begins with the first of two connections, but for that one. */
const MOMENTS = 7

test.skipIf(!strace)(
  "kill -9 while a connection is read, with a guard that comes late: the program, which goes on at once, loses nothing of its stream",
  async () => {
    const victim = await start("connections", { args: ["stream", "patient"] })
    const dumping = (round: string, ...more: string[]): string[] => {
      const images = join(victim.images, round)
      mkdirSync(images)
      return traced(victim, "fcntl,setsockopt", more, ["dump", "-t", `${victim.pid}`, "-D", images, OPTIONS, "--leave-running"])
    }
    expect((await run(dumping("whole"))).status).toBe(0)
    const calls = await callsOf(victim)
    const begin = calls.findIndex((line) => line.includes("TCP_REPAIR, [1]"))
    expect(begin).toBeGreaterThan(0)
    const count = (call: string): number => calls.slice(0, begin).filter((line) => line.startsWith(call)).length
    // Time to stop the guard in, before the first of them.
    const delay = `inject=fcntl:delay_exit=200000:when=${count("fcntl")}`
    for (let further = 1; further <= MOMENTS; further++) {
      const kill = `inject=setsockopt:signal=KILL:when=${count("setsockopt") + 1 + further}`
      const child = Bun.spawn(dumping(`${further}`, "-e", delay, "-e", kill), { stdio: ["ignore", "ignore", "ignore"] })
      const [guard = 0] = await waitFor("the guard", () => guardsOf(child.pid).length > 0 && guardsOf(child.pid))
      signal(guard, "SIGSTOP")
      await child.exited
      expect([further, child.signalCode]).toEqual([further, "SIGKILL"])
      await Bun.sleep(50)
      signal(guard, "SIGCONT")
      await waitFor("the end of the guard", () => !alive(guard))
      await Bun.sleep(50)
      expect([further, victim.lines()]).toEqual([further, ["READY"]])
    }
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  },
  120_000,
)
