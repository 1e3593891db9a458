/** Action scripts and who asks stasis to stop while one runs. */
import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { readStatIfAlive } from "../../src/proc/stat.ts"
import { listProcesses } from "../../src/proc/tasks.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp } from "../harness/process.ts"
import { type Run, restore, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { dumped, expectWell, imagesIn, scriptAt, tool } from "./scripted.ts"

afterEach(cleanUp)

test("a pre-restore script takes its own time, not that of the restore", async () => {
  const victim = await dumped()
  const script = scriptAt(victim, "pre-restore", "sleep 2")
  const result = await tool("restore", "-d", "-D", victim.images, "--timeout", "1", "--action-script", script)
  expect(result.stderr).toBe("")
  expect(result.status).toBe(0)
  await expectWell(victim)
})

describe("a script that asks stasis to stop and ends well itself stops it all the same", () => {
  const STOPPED = "trap '' TERM; kill -TERM $PPID; exit 0"

  for (const hook of ["pre-restore", "post-restore", "pre-resume"])
    test(`restore, ${hook}: nothing is left`, async () => {
      const victim = await dumped()
      const script = scriptAt(victim, hook, STOPPED)
      const result = await tool("restore", "-d", "-D", victim.images, "--json", "--action-script", script)
      expect(toldError(result).code).toBe("E_INTERRUPTED")
      expect(alive(victim.pid)).toBe(false)
    })

  test("dump, post-dump: the tree goes on, and the set stays", async () => {
    const victim = await start("threads")
    const script = scriptAt(victim, "post-dump", STOPPED)
    const result = await tool("dump", "-t", `${victim.pid}`, "-D", victim.images, "--json", "--action-script", script)
    expect(toldError(result).code).toBe("E_INTERRUPTED")
    expect((await tool("show", victim.images)).status).toBe(0)
    await expectWell(victim)
  })
})

describe("a signal to stasis ends a script that hangs, with all that it started", () => {
  /** Runs stasis until such a script hangs at a hook, and sends a signal. */
  async function stopAt(victim: Victim, hook: string, signal: NodeJS.Signals, ...args: string[]): Promise<Run> {
    const told = join(mkdtempSync(join(victim.folder, "told-")), "pid")
    const script = scriptAt(victim, hook, `echo $$ >${told}.new; timeout 1000 sleep 1000 & sleep 1000 & mv ${told}.new ${told}; sleep 1000`)
    const running = tool(...args, "-D", victim.images, "--json", "--action-script", script)
    const session = Number(await waitFor("the script", () => existsSync(told) && readFileSync(told, "utf8")))
    const itself = readStatIfAlive(session)
    process.kill(itself?.ppid ?? 0, signal)
    const result = await running
    const left = listProcesses().filter((pid) => readStatIfAlive(pid)?.session === session && alive(pid))
    expect(left).toEqual([])
    return result
  }

  for (const [hook, signal] of [
    ["pre-dump", "SIGTERM"],
    ["post-dump", "SIGINT"],
  ] as const)
    test(`dump, ${hook}, ${signal}: the tree goes on; a complete set stays`, async () => {
      const victim = await start("threads")
      const result = await stopAt(victim, hook, signal, "dump", "-t", `${victim.pid}`)
      expect([result.status, toldError(result).code]).toEqual([8, "E_INTERRUPTED"])
      await expectWell(victim)
      if (hook === "pre-dump") expect(imagesIn(victim.images)).toEqual([])
      else expect((await tool("show", victim.images)).status).toBe(0)
    })

  for (const [hook, signal] of [
    ["pre-restore", "SIGHUP"],
    ["post-restore", "SIGTERM"],
    ["pre-resume", "SIGTERM"],
  ] as const)
    test(`restore, ${hook}, ${signal}: nothing is left, and the next restore is none the worse`, async () => {
      const victim = await dumped()
      const result = await stopAt(victim, hook, signal, "restore", "-d")
      expect([result.status, toldError(result).code]).toEqual([8, "E_INTERRUPTED"])
      expect(alive(victim.pid)).toBe(false)
      expect((await tool("restore", "-d", "-D", victim.images)).status).toBe(0)
      await expectWell(victim)
    })

  test("restore, post-resume: the tree runs, and a warning tells of the script", async () => {
    const victim = await dumped()
    const result = await stopAt(victim, "post-resume", "SIGTERM", "restore", "-d")
    expect(result.status).toBe(0)
    expect(result.stderr).toContain("at post-resume: signal 15 asked stasis to stop")
    expect(result.stderr).toContain("do not restore it again")
    await expectWell(victim)
  })
})

for (const hook of ["post-restore", "pre-resume"])
  test(`a script that kills the new process, ${hook}: that is told, nothing is left, and the next restore is none the worse`, async () => {
    const victim = await dumped()
    const script = scriptAt(victim, hook, "kill -9 $CRTOOLS_INIT_PID")
    const result = await tool("restore", "-d", "-D", victim.images, "--json", "--action-script", script)
    expect(toldError(result)).toMatchObject({ code: "E_RESTORE", found: "one of its processes was killed before it ran" })
    expect(alive(victim.pid)).toBe(false)
    await restore(stasisTool, victim.images)
    await expectWell(victim)
  })
