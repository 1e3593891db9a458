import { afterEach, describe, expect, test } from "bun:test"
import { inside } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, must, restore, stasisTool } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

afterEach(cleanUp)

const STEPS = "40"
const OPTIONS = ["--file-locks", "--link-remap", "--tcp-established"]
/** What is refused, and terminals, whose numbers another test may take while the tree is away. */
const WITHOUT = ["memfd-in-flight", "pty"]

/** Starts a mixture. Undefined where the machine lacks what it needs. */
async function mixed(seed: number, without: readonly string[] = []): Promise<Victim | undefined> {
  const victim = await start("medley", { args: [`${seed}`, STEPS, ...WITHOUT, ...without] })
  return isReady(victim) ? victim : undefined
}

/** Dumps, waits until all have gone, and restores, each as `stasis plan` said. */
async function away({ pid }: Victim, images: string): Promise<void> {
  const members = treeOf(pid)
  await must(stasisTool, "plan", "-t", `${pid}`, ...OPTIONS)
  await dump(stasisTool, pid, images, ...OPTIONS, "--no-sync")
  await allGone(members)
  await must(stasisTool, "plan", "-D", images, "--tcp-established")
  await restore(stasisTool, images, "--tcp-established", "--verify")
}

async function expectWell(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
  expect(victim.lines().filter((line) => line.startsWith("FAIL"))).toEqual([])
}

describe("a random mixture of kernel objects across a random tree", () => {
  for (const seed of [2, 20, 104])
    test(`seed ${seed}: dump, kill, restore, ask`, async () => {
      const victim = await mixed(seed)
      if (!victim) return
      await away(victim, victim.images)
      await expectWell(victim)
    }, 60_000)

  test("seed 7: left running", async () => {
    const victim = await mixed(7)
    if (!victim) return
    await dump(stasisTool, victim.pid, victim.images, ...OPTIONS, "--no-sync", "--leave-running", "--verify")
    await expectWell(victim)
  }, 60_000)

  test("seed 8: two generations", async () => {
    const victim = await mixed(8)
    if (!victim) return
    for (const generation of ["one", "two"]) await away(victim, inside(victim.images, generation))
    await expectWell(victim)
  }, 60_000)
})
