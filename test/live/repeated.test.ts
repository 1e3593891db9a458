import { afterEach, describe, expect, test } from "bun:test"
import { inside } from "../harness/folders.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { dump, restore, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

describe("dumps of one program again and again", () => {
  for (const [name, args] of [
    ["threads", []],
    ["forest", ["2", "1"]],
  ] as const)
    test(`use the same page of it each time: ${name}`, async () => {
      const victim = await start(name, { args })
      const resident = (): (string | undefined)[] => victim.members().map((pid) => statusOf(pid, "RssAnon"))
      await dump(stasisTool, victim.pid, inside(victim.images, "first"), "--leave-running", "--no-sync")
      const first = resident()
      expect(first.length).toBeGreaterThan(0)
      for (let round = 0; round < 3; round++)
        await dump(stasisTool, victim.pid, inside(victim.images, `${round}`), "--leave-running", "--no-sync")
      expect(resident()).toEqual(first)
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    })
})

describe("a wait that an earlier dump has restarted, by a call whose number is no constant, goes on when restored", () => {
  for (const name of ["poll_number", "nanosleep_number", "clock_number", "futex_absolute", "futex_timeout"])
    test(name, async () => {
      const victim = await start("restarts", { args: [name] })
      await dump(stasisTool, victim.pid, inside(victim.images, "first"), "--leave-running", "--no-sync")
      const second = inside(victim.images, "second")
      await dump(stasisTool, victim.pid, second, "--no-sync")
      await victim.gone()
      await restore(stasisTool, second)
      if (name === "poll_number") victim.ask()
      expect(await victim.answer()).toBe("OK")
    })
})
