import { afterEach, expect, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import { treeOf } from "./kin.ts"

afterEach(cleanUp)

test("a directory that is watched by F_NOTIFY is told as lost, and the rest of it kept", async () => {
  const victim = await start("told", { args: ["dnotify", "{folder}"] })
  if (!isReady(victim)) return
  const { stderr } = await dump(stasisTool, victim.pid, victim.images)
  expect(stderr.match(/not kept: .*/g)).toEqual([
    expect.stringMatching(/^not kept: what fd \d+ of task \d+ is told of ".*" \(F_NOTIFY\), which the kernel tells nobody$/),
  ])
  await victim.gone()
  await restore(stasisTool, victim.images, "--verify")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("an I/O context that two processes share is told by plan and dump; both keep their priority", async () => {
  const victim = await start("told", { args: ["io"] })
  if (!isReady(victim)) return
  const [parent, child] = treeOf(victim.pid)
  const told = `threads ${parent} and ${child} share one I/O context (CLONE_IO)`
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toContain(told)
  expect((await dump(stasisTool, victim.pid, victim.images)).stderr).toContain(told)
  await victim.gone()
  await restore(stasisTool, victim.images, "--verify")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
