import { afterEach, describe, expect, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"

afterEach(cleanUp)

describe("what a tree does while the rest of it is let go is its own affair: the restore neither fails nor hangs, and tells the root's status", () => {
  const strace = Bun.which("strace")
  if (!strace) skip("slow departures: strace is not installed (apt-get install strace, needs root)")
  // Slow enough for the thread that goes first to be done before the next one goes.
  const slowly = ["strace", "-D", "-qq", "-e", "trace=ptrace", "-e", "inject=ptrace:delay_enter=20000", "-o", "/dev/null"]
  for (const mode of ["exits", "execs", "kills"])
    test.skipIf(!strace)(
      mode,
      async () => {
        const victim = await start("quick", { args: [mode] })
        await dump(stasisTool, victim.pid, victim.images)
        await victim.gone()
        victim.ask()
        const result = await run([...slowly, ...stasisTool.command, "restore", "-D", victim.images], { seconds: 15 })
        expect(result.status).toBe(7)
        expect(result.stderr).toMatch(/process \d+ ended, or executed a program, before all of it was let go/)
      },
      60_000,
    )
})

test("a program that looks at once finds its stopped children stopped: they are let go before it", async () => {
  for (let round = 0; round < 5; round++) {
    const victim = await start("stops")
    if (!isReady(victim)) return
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    victim.ask()
    await restore(stasisTool, victim.images)
    expect([round, await victim.answer()]).toEqual([round, "OK"])
  }
}, 60_000)
