import { afterEach, describe, expect, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, signal, stateOf } from "../harness/process.ts"
import { dump, must, type Run, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { allGone, endHalfBuilt, portrait, released, survivors } from "./kin.ts"

afterEach(cleanUp)
const MOMENTS = Number(process.env.STASIS_TREE_MOMENTS ?? 25)
const json = (command: "dump" | "restore", ...args: string[]): Promise<Run> => run([...stasisTool.command, command, "--json", ...args])

function fresh(folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  return folder
}

/** Starts the tool and ends it after a random part of `duration`, ms. Returns its exit status. */
async function cutShort(name: "SIGKILL" | "SIGINT", duration: number, ...args: string[]): Promise<number> {
  const tool = Bun.spawn([...stasisTool.command, ...args], { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
  await Bun.sleep(Math.random() * duration)
  tool.kill(name)
  return tool.exited
}

const wellAfter = async (victim: Victim): Promise<void> => {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

describe("a dump that is not the end leaves the whole tree as it was", () => {
  test("--leave-stopped: every process is stopped, and SIGCONT lets all go on", async () => {
    const victim = await start("families", { args: ["all"] })
    const members = victim.members()
    await dump(stasisTool, victim.pid, victim.images, "-s")
    await waitFor("all to be stopped", () => members.every((pid) => stateOf(pid) === "T"))
    for (const pid of members) signal(pid, "SIGCONT")
    await wellAfter(victim)
  })

  for (const [source, ...args] of [["stops"], ["families", "all"]] as const) {
    for (const name of ["SIGKILL", "SIGINT"] as const)
      test(`${source}: ${name} at ${MOMENTS} random moments of a leave-running dump`, async () => {
        const victim = await start(source, { args })
        const folder = join(victim.images, "set")
        const before = portrait(victim)
        const whole = await must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R", "--no-sync")
        let ended = 0
        for (let i = 0; i < MOMENTS; i++) {
          const status = await cutShort(name, whole.milliseconds, "dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R", "--no-sync")
          if (status !== 0) ended++
          if (name === "SIGINT") {
            expect([0, 8, 130]).toContain(status)
            if (status !== 0) expect(readdirSync(folder).filter((image) => image.endsWith(".img"))).toEqual([])
          }
          await released(victim)
          // Who is let go stopped comes into the stop by itself, when it has a processor: on a busy machine a moment later.
          await waitFor("the tree as it was", () => Bun.deepEquals(portrait(victim), before), 5).catch(() => {})
          expect(portrait(victim)).toEqual(before)
        }
        expect(ended).toBeGreaterThan(MOMENTS / 4)
        await must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R")
        await wellAfter(victim)
      }, 180_000)
  }

  test("a parent that vfork suspends: E_TIMEOUT says so, and the tree goes on", async () => {
    const victim = await start("births", { args: ["vfork"] })
    const before = portrait(victim)
    const result = await json("dump", "-t", `${victim.pid}`, "-D", victim.images, "--timeout", "1")
    expect(toldError(result)).toMatchObject({ code: "E_TIMEOUT", found: expect.stringContaining("vfork") })
    const plan = await run([...stasisTool.command, "plan", `${victim.pid}`, "--json"])
    expect(JSON.parse(plan.stdout).notes).toContainEqual(expect.stringContaining("is suspended by vfork"))
    expect(result.status).toBe(EXIT_STATUS.E_TIMEOUT)
    expect(result.milliseconds).toBeLessThan(5_000)
    await released(victim)
    expect(portrait(victim)).toEqual(before)
    await wellAfter(victim)
  })

  for (const kind of ["forks", "spawns"])
    test(`a tree that changes all the time (${kind}), dumped five times, then restored`, async () => {
      const victim = await start("births", { args: [kind] })
      const folder = join(victim.images, "set")
      for (let round = 0; round < 5; round++) {
        await must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R", "--no-sync")
        expect(alive(victim.pid)).toBe(true)
      }
      await dump(stasisTool, victim.pid, fresh(folder))
      await victim.gone()
      await restore(stasisTool, folder)
      await Bun.sleep(200)
      await wellAfter(victim)
    }, 120_000)

  test("a member that is killed at any moment of a dump: done or refused, and the rest is well", async () => {
    const victim = await start("births", { args: ["mortals"] })
    const folder = join(victim.images, "set")
    const whole = await must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R", "--no-sync")
    const mortals = victim.members().filter((pid) => pid !== victim.pid)
    for (const mortal of mortals.slice(0, 15)) {
      const dumping = json("dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R", "--no-sync")
      await Bun.sleep(Math.random() * whole.milliseconds)
      signal(mortal, "SIGKILL")
      const result = await dumping
      if (result.status !== 0) {
        expect(result.stderr).toMatch(/E_TARGET_DIED|E_TARGET_CHANGED|E_NO_PROCESS/)
        expect(readdirSync(folder).filter((image) => image.endsWith(".img"))).toEqual([])
      }
      await released(victim)
      expect(stateOf(victim.pid)).not.toBe("T")
    }
    await dump(stasisTool, victim.pid, fresh(folder))
    await victim.gone()
    await restore(stasisTool, folder)
    await wellAfter(victim)
  }, 120_000)
})

describe("a restore that fails leaves nothing", () => {
  test(`SIGKILL at ${MOMENTS} random moments of a restore: none or all of the tree lives`, async () => {
    const victim = await start("families", { args: ["all"] })
    const members = victim.members()
    await dump(stasisTool, victim.pid, victim.images)
    await allGone(members)
    const whole = await restore(stasisTool, victim.images)
    let unfinished = 0
    try {
      for (let i = 0; i < MOMENTS; i++) {
        for (const pid of members) signal(pid, "SIGKILL")
        await allGone(members)
        await cutShort("SIGKILL", whole.milliseconds, "restore", "-D", victim.images, "-d")
        await waitFor("none or all", () => [0, members.length].includes(survivors(members).length))
        if (survivors(members).length === 0) unfinished++
      }
    } finally {
      endHalfBuilt(members)
    }
    expect(unfinished).toBeGreaterThan(MOMENTS / 4)
    for (const pid of members) signal(pid, "SIGKILL")
    await allGone(members)
    await restore(stasisTool, victim.images)
    await wellAfter(victim)
  }, 180_000)

  /** Dumps a tree, leaving it; then kills all but one member, which keeps its PID. */
  async function allButOne(): Promise<{ victim: Victim; members: number[]; keeper: number }> {
    const victim = await start("families", { args: ["leader-alive"] })
    const members = victim.members()
    await dump(stasisTool, victim.pid, victim.images, "-R")
    const keeper = members.filter((pid) => pid !== victim.pid).sort((a, b) => a - b)[1] ?? 0
    for (const pid of members) if (pid !== keeper) signal(pid, "SIGKILL")
    await allGone(members.filter((pid) => pid !== keeper))
    return { victim, members, keeper }
  }

  test("a PID in the middle of the tree is taken: E_PID_TAKEN names it, its owner lives on", async () => {
    const { victim, members, keeper } = await allButOne()
    const result = await json("restore", "-d", "-D", victim.images)
    expect(toldError(result)).toMatchObject({ code: "E_PID_TAKEN", found: expect.stringContaining(`PID ${keeper} `) })
    expect(survivors(members)).toEqual([keeper])
  })

  for (const where of ["the root", "the middle of the tree"])
    test(`the id of a session of ${where} is held by an outsider: plan and restore name it, and it lives on`, async () => {
      // The outsider is an orphan of the session's leader, and so no member of the tree.
      const inner = "echo leader $$; (sleep 600 & echo outsider $!); exec sleep 600"
      const command = where === "the root" ? inner : `setsid sh -c '${inner}' & sleep 0.1; exec sleep 600`
      const victim = launch("held", ["setsid", "sh", "-c", command])
      const told = (what: string): number =>
        Number(
          victim
            .lines()
            .find((line) => line.startsWith(what))
            ?.split(" ")[1],
        )
      await waitFor("the outsider", () => told("outsider") > 0 && victim.members().length === (where === "the root" ? 2 : 3))
      const [outsider, leader] = [told("outsider"), told("leader")]
      try {
        await dump(stasisTool, victim.pid, victim.images)
        await allGone([victim.pid, leader])
        const found = `session ${leader}, which still has process ${outsider} "sleep" in it`
        const result = await json("restore", "-d", "-D", victim.images, "--timeout", "0")
        expect(toldError(result)).toMatchObject({ code: "E_PID_TAKEN", found: expect.stringContaining(found) })
        expect(survivors([victim.pid, leader, outsider])).toEqual([outsider])
        const plan = await run([...stasisTool.command, "plan", "-D", victim.images])
        expect(plan.stdout).toContain(found)
        expect(plan.status).toBe(EXIT_STATUS.E_PID_TAKEN)
      } finally {
        signal(outsider, "SIGKILL")
      }
    })

  test("a file of one member is gone: E_FILE_CHANGED names it", async () => {
    const victim = await start("sharers", { args: ["offset", "{folder}"] })
    const members = victim.members()
    await dump(stasisTool, victim.pid, victim.images)
    await allGone(members)
    rmSync(join(victim.folder, "shared"))
    const result = await json("restore", "-d", "-D", victim.images)
    expect(toldError(result)).toMatchObject({ code: "E_FILE_CHANGED" })
    expect(result.stderr).toContain(join(victim.folder, "shared"))
    expect(survivors(members)).toEqual([])
  })
})

test("a tree of more processes than the tool may have files open is dumped and restored, with its own limit", async () => {
  const victim = await start("forest", { args: ["6", "9"] })
  const members = victim.members()
  const limit = (): string => /^Max open files.*$/m.exec(readFileSync(`/proc/${victim.pid}/limits`, "latin1"))?.[0] ?? ""
  const before = limit()
  const few = { ...stasisTool, command: ["prlimit", "--nofile=48:", ...stasisTool.command] }
  await dump(few, victim.pid, victim.images)
  await allGone(members)
  await restore(few, victim.images)
  expect(victim.members()).toHaveLength(61)
  expect(limit()).toBe(before)
  await wellAfter(victim)
})
