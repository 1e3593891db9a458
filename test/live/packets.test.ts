import { afterEach, expect, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { dump, run, stasisTool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"

afterEach(cleanUp)

test("a packet that nobody has read is told as lost by plan and dump, and stays where it is when the tree runs on", async () => {
  const victim = await start("packets", { args: ["queued"] })
  if (!isReady(victim)) return console.log(`skipped: ${victim.lines().join(" ")}`)
  const lost = /not kept: packets that a packet socket had not read yet \((task \d+ )?fd \d+, \d+ bytes/
  const plan = await run([...stasisTool.command, "plan", `${victim.pid}`])
  expect(plan.status).toBe(0)
  expect(plan.stdout).toMatch(lost)
  const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-running", "--verify")
  expect(stderr).toMatch(lost)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
