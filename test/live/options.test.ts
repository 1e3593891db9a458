import { afterEach, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, type Tool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

test("--restore-sibling: the root becomes a child of the tool's parent", async () => {
  const victim = await start("heap")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const restoring = [...stasisTool.command, "restore", "-d", "-S", "-D", victim.images].map((word) => `'${word}'`).join(" ")
  const { stdout } = await run(["sh", "-c", `${restoring} && echo $$ && sed -n 's/^PPid:\\t//p' /proc/${victim.pid}/status`])
  const [shell, parent] = stdout.split("\n")
  expect(shell).toMatch(/^\d+$/)
  expect(parent).toBe(shell ?? "")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("--action-script: every hook in its turn, with the PID from where there is one, and the program stopped until post-resume", async () => {
  const victim = await start("heap")
  const [script, told] = [join(victim.folder, "script"), join(victim.folder, "told")]
  const state = `$(sed -n 's/^State:.\\([a-zA-Z]\\).*/\\1/p' /proc/${victim.pid}/status 2>/dev/null)`
  writeFileSync(script, `#!/bin/sh\necho $CRTOOLS_SCRIPT_ACTION \${CRTOOLS_INIT_PID:-none} ${state} >>${told}\n`, { mode: 0o755 })
  await dump(stasisTool, victim.pid, victim.images, "--action-script", script)
  await victim.gone()
  const restoring = await run([...stasisTool.command, "restore", "-d", "-D", victim.images, "--action-script", script])
  expect([restoring.status, restoring.stderr]).toEqual([0, ""])
  const lines = readFileSync(told, "utf8").trim().split("\n")
  const { pid } = victim
  expect(lines).toEqual([
    `pre-dump ${pid} S`,
    `post-dump ${pid} t`,
    "pre-restore none",
    `post-restore ${pid} t`,
    `pre-resume ${pid} t`,
    expect.stringMatching(new RegExp(`^post-resume ${pid} [RS]$`)),
  ])
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("a restored program inherits nothing of stasis: memory policy, early word of spoilt memory, merging of pages, I/O flusher", async () => {
  const victim = await start("handed")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const handing: Tool = { ...stasisTool, command: [compileVictim("handed"), "exec", ...stasisTool.command] }
  await restore(handing, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
