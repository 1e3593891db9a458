import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { compileVictim } from "../harness/compile.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { dump, restore, run, stasisTool, type Tool, toldError } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

/** Starts the victim of one kind. Undefined, with a line that says why, when this machine lacks what it needs. */
async function begin(kind: string): Promise<Victim | undefined> {
  const victim = await start("apart", { args: [kind] })
  return isReady(victim) ? victim : undefined
}

describe("dump refuses what it could only lose", () => {
  const cases: readonly (readonly [kind: string, found: string])[] = [
    ["fs", "working directory of its own"],
    ["files", "descriptor table of its own"],
    ["uts", "in another namespace than its process: uts"],
    ["children", "in another namespace than its process: pid_for_children"],
    ["keyring", "process keyring"],
    ["landlock", "Landlock"],
    ["landlock-user", "Landlock"],
    ["landlock-thread", "Landlock"],
  ]
  for (const [kind, found] of cases)
    test(kind, async () => {
      const victim = await begin(kind)
      if (!victim) return
      const told = toldError(await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images]))
      expect(told.code).toBe("E_UNSUPPORTED")
      expect(told.found).toContain(found)
      expect(readdirSync(victim.images)).toEqual([])
      expect(statusOf(victim.pid, "TracerPid")).toBe("0")
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    })
})

/** Dump, kill, restore; what the victim printed since. */
async function around(kind: string, restorer: Tool, ...options: string[]): Promise<{ dumped: string; restored: string; lines: string[] }> {
  const victim = await begin(kind)
  if (!victim) return { dumped: "", restored: "", lines: ["skipped"] }
  const dumped = await dump(stasisTool, victim.pid, victim.images, ...options)
  await victim.gone()
  const restored = await restore(restorer, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
  return { dumped: dumped.stderr, restored: restored.stderr, lines: victim.lines().slice(1) }
}

describe("Landlock", () => {
  test("a process without privileges and without Landlock is not taken for one in a domain", async () => {
    expect((await around("user", stasisTool)).dumped).toBe("")
  })
  test("--landlock=drop saves it without its domain, and both commands say so", async () => {
    const { dumped, restored, lines } = await around("landlock", stasisTool, "--landlock=drop")
    if (lines[0] === "skipped") return
    expect(dumped).toContain("Landlock")
    expect(restored).toContain("Landlock")
    expect(lines).toEqual(["free", "OK"])
  })
})

describe("session keyrings", () => {
  const login: Tool = { name: "stasis in a session", command: [compileVictim("newsession"), ...stasisTool.command] }

  test("one of its own becomes an empty one, with a warning", async () => {
    expect((await around("session", stasisTool)).restored).toContain("session keyring")
    expect((await around("session", login)).restored).toContain("session keyring")
  })
  test("without one it does not get that of whoever restores", async () => {
    expect((await around("default", stasisTool)).restored).toBe("")
    expect((await around("default", login)).restored).toBe("")
  })
})
