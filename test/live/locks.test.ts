import { afterEach, expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, must, restore, run, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

test("locks are refused without --file-locks, which the refusal names; nothing is touched", async () => {
  const victim = await start("locks", { args: ["posix", "{folder}"] })
  const refused = await run([...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images])
  expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
  expect(refused.stderr).toContain("with a lock (POSIX WRITE)")
  expect(refused.stderr).toContain("Give --file-locks (-l)")
  expect(readdirSync(victim.images)).toEqual([])
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`, "-l"])).status).toBe(0)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("a lock that somebody else has taken meanwhile fails the restore, and nothing is left; show names locks", async () => {
  const victim = await start("locks", { args: ["brief", "{folder}"] })
  await dump(stasisTool, victim.pid, victim.images, "-l")
  await victim.gone()
  expect((await must(stasisTool, "show", victim.images)).stdout).toMatch(/work\/a {2}\(flock write\)/)
  // One process that holds it by its descriptor 9, and ends with it.
  const taker = Bun.spawn(["sh", "-c", "exec 9>>a; flock 9; touch taken; exec sleep 60"], { cwd: victim.folder, stdin: "ignore" })
  await waitFor("the lock", () => existsSync(join(victim.folder, "taken")))
  const failed = await run([...stasisTool.command, "restore", "-d", "-D", victim.images])
  expect(failed.status).toBe(EXIT_STATUS.E_RESTORE)
  expect(failed.stderr).toContain("the lock of fd 3 (FLOCK)")
  expect(failed.stderr).toContain("EAGAIN")
  expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
  taker.kill("SIGKILL")
  await taker.exited
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
