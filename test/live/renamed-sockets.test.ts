import { afterEach, expect, test } from "bun:test"
import { renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { allGone } from "./kin.ts"

afterEach(cleanUp)

/**
 * A victim with sockets that were renamed from "server.tmp" to "server" and from "dgram.tmp" to "sub/dgram". That each is kept:
 * ./file-rows.ts
 */
const startRenamed = (): Promise<Victim> => start("unixnames", { args: ["renamed", "{folder}"] })

async function expectWell(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

test("dump refuses a unix socket whose file was renamed, where something else has the name of the socket", async () => {
  const victim = await startRenamed()
  const path = join(victim.folder, "server.tmp")
  writeFileSync(path, "")
  const told = toldError(await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images]))
  expect(told.code).toBe("E_UNSUPPORTED")
  expect(told.found).toContain(`the unix socket "${path}", whose file is "${join(victim.folder, "server")}" now`)
  rmSync(path)
  await expectWell(victim)
})

test("restore refuses to put the file of a socket in the place of another, and restores when that has gone", async () => {
  const victim = await startRenamed()
  await dump(stasisTool, victim.pid, victim.images)
  await allGone([victim.pid])
  const path = join(victim.folder, "sub/dgram")
  rmSync(path)
  writeFileSync(path, "")
  const told = toldError(await run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images]))
  expect(told.code).toBe("E_FILE_CHANGED")
  expect(told.found).toContain(`"${path}" is a regular file now`)
  rmSync(path)
  await restore(stasisTool, victim.images)
  await expectWell(victim)
})

test.each([
  ["replaced", "removed"],
  ["shelved", "renamed"],
])("dump refuses two unix sockets of one path: %s", async (kind, went) => {
  const victim = await start("unixnames", { args: [kind, "{folder}"] })
  const told = toldError(await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images]))
  expect(told.code).toBe("E_UNSUPPORTED")
  expect(told.found).toContain(`the unix socket "${join(victim.folder, "server")}", whose file was ${went}; socket:[`)
  await expectWell(victim)
})

test("dump refuses a unix socket with a relative name whose file was renamed, and takes it when the file has its name again", async () => {
  const victim = await start("unixnames", { args: ["strayed", "{folder}"] })
  const [name, elsewhere] = [join(victim.folder, "server"), join(victim.folder, "elsewhere")]
  const told = toldError(await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images]))
  expect(told.code).toBe("E_UNSUPPORTED")
  expect(told.found).toContain(`the unix socket "server", whose file is "${elsewhere}" now: nobody knows`)
  expect(told.next).toContain("bind it by an absolute path")
  renameSync(elsewhere, name)
  await dump(stasisTool, victim.pid, victim.images)
  await allGone([victim.pid])
  await restore(stasisTool, victim.images)
  renameSync(name, elsewhere)
  await expectWell(victim)
})
