/** What a restore by somebody who may not do it advises. */
import { afterEach, expect, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { asUser, hindrance, OTHER, OWN_ROOT, publish, startAs, toolAs, USER, unpublish } from "../harness/rung.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

const why = hindrance()
if (why) skip(`tests of what users may not do: ${why}`)

afterEach(() => {
  cleanUp()
  unpublish()
})

test.skipIf(why !== undefined)("a program of another user: whose it was, not the namespaces that would not help", async () => {
  const victim = await startAs(OTHER, asUser(OTHER), "threads")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  expect((await run(["chown", "-R", `${USER}`, victim.images])).status).toBe(0)
  const result = await run([...toolAs(...asUser(USER)).command, "restore", "-d", "-D", victim.images, "--json"])
  expect(toldError(result)).toMatchObject({ code: "E_PERMISSION", next: expect.stringContaining("as that user or as root") })
})

test.skipIf(why !== undefined)("a stasis under nice without the right to go back says so, and one that is not restores", async () => {
  const victim = await start("threads")
  expect((await run(["sh", "-c", `renice -n 0 -p $(ls /proc/${victim.pid}/task)`])).status).toBe(0)
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const restoring = [publish(stasisTool.command[0] ?? ""), "restore", "-D", victim.images, "-W", victim.folder, "--json"]
  const result = await run([...OWN_ROOT, "nice", "-n", "5", ...restoring])
  expect(toldError(result)).toMatchObject({ code: "E_RESTORE", next: expect.stringContaining("nice value") })
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
