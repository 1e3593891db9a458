import { afterEach, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

/** A command of stasis that is to fail, with its error. */
async function refused(...args: string[]): Promise<ReturnType<typeof toldError>> {
  const result = await run([...stasisTool.command, ...args, "--json"])
  expect(result.status).not.toBe(0)
  return toldError(result)
}

test("--tcp-close: connections come back as new sockets, and both directions want the option", async () => {
  const victim = await start("connections", { args: ["closed"] })
  const without = await refused("dump", `${victim.pid}`, "-D", victim.images)
  expect(without.code).toBe("E_UNSUPPORTED")
  expect(without.found).toContain("a TCP connection")
  expect(without.found).toContain("a listening socket with 1 connections that nobody has accepted yet")
  expect(without.found).toContain("--tcp-close")
  expect(readdirSync(victim.images)).toEqual([])
  await dump(stasisTool, victim.pid, victim.images, "--tcp-close")
  await victim.gone()
  const bare = await refused("restore", "-D", victim.images, "-d")
  expect([bare.code, bare.next]).toEqual(["E_USAGE", "Use --tcp-close here too"])
  await restore(stasisTool, victim.images, "--tcp-close", "--verify")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)
