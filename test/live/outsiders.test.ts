import { afterEach, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

test("anonymous memory that somebody outside shares is told, by plan too; each side has its own after a restore", async () => {
  const victim = await start("outsides", { args: ["memory", "{folder}"] })
  const words = /task \d+ shares anonymous memory with task \d+, which is outside: a restored program has a copy of its own/
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toMatch(words)
  expect((await dump(stasisTool, victim.pid, victim.images)).stderr).toMatch(words)
  await restore(stasisTool, victim.images)
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).not.toContain("shares anonymous memory")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("an end of a unix socket pair that somebody outside has open too is told, by plan too; the restored program has a pair of its own", async () => {
  const victim = await start("outsides", { args: ["pair", "{folder}"] })
  const words = /task \d+ fd 21 is socket:\[\d+\], which task \d+ has open too: a restored program has one of its own/
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toMatch(words)
  expect((await dump(stasisTool, victim.pid, victim.images)).stderr).toMatch(words)
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("a TCP connection that somebody outside has open too is refused, unless it is to be closed", async () => {
  const victim = await start("outsides", { args: ["connection", "{folder}"] })
  const refused = await run([...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images, "--tcp-established"])
  expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
  expect(refused.stderr).toMatch(/a TCP connection that task \d+, which is outside, has open too/)
  expect(readdirSync(victim.images)).toEqual([])
  await dump(stasisTool, victim.pid, victim.images, "-R", "--tcp-close")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("a listening socket that somebody outside has open too is told, by plan too: he keeps its address", async () => {
  const victim = await start("outsides", { args: ["listener", "{folder}"] })
  const words = /task \d+ fd 20 is socket:\[\d+\], which task \d+ has open too: while he has, a restore cannot have its address/
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toMatch(words)
  expect((await dump(stasisTool, victim.pid, victim.images, "-R")).stderr).toMatch(words)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
