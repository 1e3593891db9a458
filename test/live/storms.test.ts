import { afterEach, expect, test } from "bun:test"
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp, signal, stateOf } from "../harness/process.ts"
import { dump, must, restore, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { allGone, untraced } from "./kin.ts"

afterEach(cleanUp)
const ROUNDS = Number(process.env.STASIS_STORM_ROUNDS ?? 100)

function fresh(folder: string): string {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  return folder
}

/** What each member was told last. */
type Told = Map<number, "SIGSTOP" | "SIGCONT">

/** Somebody who stops members of a tree and lets them go on, or only stops them, at random, until it is ended. */
function startStorm(members: readonly number[], onlyStops = false): { readonly told: Told; end(): Promise<void> } {
  const told: Told = new Map()
  let raging = true
  const over = (async () => {
    while (raging) {
      const pid = members[Math.floor(Math.random() * members.length)] ?? 0
      const name = onlyStops || Math.random() < 0.5 ? "SIGSTOP" : "SIGCONT"
      if (signal(pid, name)) told.set(pid, name)
      await Bun.sleep(Math.random() * 4)
    }
  })()
  return {
    told,
    end() {
      raging = false
      return over
    },
  }
}

/** Nobody is traced, and everybody is as the last signal wants it. */
async function settled(members: readonly number[], told: Told): Promise<void> {
  const isRight = (pid: number): boolean => !told.has(pid) || (stateOf(pid) === "T") === (told.get(pid) === "SIGSTOP")
  const states = (): string => members.map((pid) => `${pid} ${stateOf(pid)} ${told.get(pid) ?? ""}`).join(", ")
  await waitFor("all to be as they were told", () => untraced(members) && members.every(isRight), 5).catch((error) => {
    throw new Error(`${error.message}: ${states()}`)
  })
}

async function wellAfter(victim: Victim, members: readonly number[]): Promise<void> {
  for (const pid of members) signal(pid, "SIGCONT")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

test(`SIGSTOP and SIGCONT at random moments of ${ROUNDS} leave-running dumps`, async () => {
  const victim = await start("families", { args: ["all"] })
  const members = victim.members()
  const folder = join(victim.images, "set")
  for (let round = 0; round < ROUNDS; round++) {
    const storm = startStorm(members)
    await must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", fresh(folder), "-R", "--no-sync")
    await storm.end()
    await settled(members, storm.told)
  }
  await wellAfter(victim, members)
}, 300_000)

test("a SIGSTOP that comes to a frozen process before it is read is no difference when --verify reads it again", async () => {
  const victim = await start("families", { args: ["all"] })
  const members = victim.members()
  for (let round = 0; round < 10; round++) {
    const storm = startStorm(members, true)
    await must(stasisTool, "dump", "-t", `${victim.pid}`, "-D", fresh(join(victim.images, "set")), "-R", "--no-sync", "--verify")
    await storm.end()
    await settled(members, storm.told)
    for (const pid of members) signal(pid, "SIGCONT")
  }
  await wellAfter(victim, members)
}, 120_000)

test("SIGSTOP and SIGCONT at random moments of ten dumps and restores", async () => {
  const victim = await start("families", { args: ["all"] })
  const members = victim.members()
  const folder = join(victim.images, "set")
  for (let round = 0; round < 10; round++) {
    const storm = startStorm(members)
    await dump(stasisTool, victim.pid, fresh(folder))
    await allGone(members)
    await restore(stasisTool, folder)
    storm.told.clear()
    await Bun.sleep(100)
    await storm.end()
    await settled(members, storm.told)
  }
  await wellAfter(victim, members)
}, 120_000)
