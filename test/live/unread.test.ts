import { afterEach, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

for (const [kind, what] of [
  ["urgent", "has urgent data (MSG_OOB) in it"],
  ["mark", "has urgent data (MSG_OOB) in it"],
  ["inline", "has urgent data (MSG_OOB) in it"],
  ["ended", "has 3 bytes that came before, which the program has not read yet"],
  ["flying", "in flight through a socket is a TCP connection that no process has open"],
] as const)
  test(`a TCP connection with something unread that no image keeps is refused, and keeps it: ${kind}`, async () => {
    const victim = await start("unread", { args: [kind] })
    const refused = await run([...stasisTool.command, "dump", `${victim.pid}`, "-D", victim.images, "--tcp-established", "--json"])
    const { code, found, next } = toldError(refused)
    expect([code, found]).toEqual(["E_UNSUPPORTED", expect.stringContaining(what)])
    expect(next).toContain("--tcp-close")
    expect(readdirSync(victim.images)).toEqual([])
    await dump(stasisTool, victim.pid, victim.images, "--tcp-close", "--leave-running")
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

test("an error that ended a TCP connection, of which the program was not told, is told as lost", async () => {
  const victim = await start("unread", { args: ["reset"] })
  const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--tcp-established")
  expect(stderr).toContain("the error that ended a TCP connection")
  await victim.gone()
  await restore(stasisTool, victim.images, "--tcp-established")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
