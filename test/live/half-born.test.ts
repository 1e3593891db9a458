import { afterEach, describe, expect, test } from "bun:test"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp } from "../harness/process.ts"
import { dump, run, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

describe("kill -9 of a restore whose first process was just born leaves nothing behind", () => {
  const strace = Bun.which("strace")
  if (!strace)
    console.log("skipped: a restore that is killed at its first kernel calls: strace is not installed (apt-get install strace, needs root)")

  // With -S it is not the tool's child: no parent's death would tell it. strace -D leaves the test as the tool's parent.
  // And nobody reaps it then, so one kill has to do: the first call is the one that would take hold of it.
  const cases = [
    ["a child of the tool", 6, []],
    ["a sibling of the tool", 1, ["-S"]],
  ] as const
  for (const [title, kills, options] of cases)
    test.skipIf(!strace)(
      title,
      async () => {
        const victim = await start("heap")
        await dump(stasisTool, victim.pid, victim.images)
        await victim.gone()
        const restore = [...stasisTool.command, "restore", "-D", victim.images, "-d", ...options]
        for (let when = 1; when <= kills; when++) {
          const kill = ["-e", "trace=ptrace", "-e", `inject=ptrace:signal=KILL:when=${when}`]
          const { status } = await run(["strace", "-D", "-qq", ...kill, "-o", `${victim.folder}/calls`, ...restore])
          expect([when, status]).toEqual([when, 137])
          await waitFor(`nothing to be left of ${victim.pid}, killed at call ${when}`, () => !alive(victim.pid), 5)
        }
      },
      60_000,
    )
})
