import { afterEach, describe, expect, test } from "bun:test"
import { inside } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

async function expectOk(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

describe("a program that changes while it is looked at", () => {
  for (const [what, title] of [
    ["threads", "threads that end are no reason to refuse it"],
    ["files", "files that are opened and closed are no reason to refuse it"],
  ] as const)
    test(title, async () => {
      const victim = await start("moving", { args: [what] })
      for (let round = 0; round < 8; round++) await dump(stasisTool, victim.pid, inside(victim.images, `${round}`), "--leave-running")
      await expectOk(victim)
    }, 60_000)

  test("children are saved and go on, whenever they are born", async () => {
    const victim = await start("moving", { args: ["children"] })
    for (let round = 0; round < 8; round++) {
      const images = inside(victim.images, `${round}`)
      await dump(stasisTool, victim.pid, images, "--no-sync")
      await victim.gone()
      await restore(stasisTool, images)
    }
    await expectOk(victim)
  }, 60_000)
})
