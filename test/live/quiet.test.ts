/** Commands that went well say nothing, but to somebody who watches. */
import { afterEach, expect, test } from "bun:test"
import { join } from "node:path"
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
