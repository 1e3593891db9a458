/** What commands that went well say: nothing, but to somebody who watches, and in numbers to a program. */
import { afterEach, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { decodeImage } from "../../src/image/read.ts"
import { STASIS } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

test("dump and restore -d: nothing to a file, a line to a terminal, and with -v3", async () => {
  const victim = await start("unused")
  const nothing = { stdout: "", stderr: "" }
  expect(await dump(stasisTool, victim.pid, victim.images, "-R")).toMatchObject(nothing)
  const loud = await dump(stasisTool, victim.pid, victim.images, "-R", "-v3")
  expect(loud.stdout).toStartWith(`Dumped task ${victim.pid} `)
  expect(await dump(stasisTool, victim.pid, victim.images)).toMatchObject(nothing)
  await victim.gone()
  expect(await restore(stasisTool, victim.images)).toMatchObject(nothing)
  // script(1) gives it a terminal.
  const line = `${STASIS} dump -t ${victim.pid} -D ${victim.images}`
  const shown = await run(["script", "--quiet", "--return", "--command", line, join(victim.folder, "typescript")])
  expect(shown).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Dumped task \d+ \(1 thread\) into .*, killed\r\n$/) })
  await victim.gone()
  expect((await restore(stasisTool, victim.images, "-v3")).stdout).toBe(`Restored task ${victim.pid} from "${victim.images}"\n`)
})

test("the times of stats-dump make up the one that is told: until all are stopped, and from then on", async () => {
  const victim = await start("threads")
  for (const options of [["-R"], []]) {
    const { stdout } = await dump(stasisTool, victim.pid, victim.images, "--json", "-v3", ...options)
    const { frozenMicroseconds, wallMicroseconds } = JSON.parse(stdout) as Record<"frozenMicroseconds" | "wallMicroseconds", number>
    const path = join(victim.images, "stats-dump")
    const { freezing_time = 0, frozen_time = 0 } = decodeImage("stats", path, readFileSync(path))[0]?.message?.dump ?? {}
    expect(freezing_time + frozen_time).toBe(frozenMicroseconds)
    expect(Math.min(freezing_time, frozen_time)).toBeGreaterThan(0)
    expect(frozenMicroseconds).toBeLessThan(wallMicroseconds)
  }
})
