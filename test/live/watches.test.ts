import { afterEach, expect, test } from "bun:test"
import { existsSync, linkSync, unlinkSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

async function dumped(): Promise<Victim> {
  const victim = await start("inotifies", { args: ["{folder}"] })
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  return victim
}

const tryRestore = (images: string, command = "restore") => run([...stasisTool.command, command, "-D", images, "--json"])

test("a watch whose file is gone fails the restore before anything is made, and stasis plan says so", async () => {
  const victim = await dumped()
  unlinkSync(join(victim.folder, "plain"))
  for (const command of ["plan", "restore"]) {
    const { status, stdout, stderr } = await tryRestore(victim.images, command)
    expect([status, `${stdout}${stderr}`]).toEqual([7, expect.stringContaining("Cannot restore watch 300 of inotify")])
  }
  expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
})

test("two watches whose files are one by now fail the restore of a tree that is made, and nothing is left", async () => {
  const victim = await dumped()
  const plain = join(victim.folder, "plain")
  unlinkSync(plain)
  linkSync(join(victim.folder, "new"), plain)
  const result = await tryRestore(victim.images)
  expect(toldError(result)).toMatchObject({ code: "E_RESTORE", found: "it got number 40: two of its files are one by now" })
  expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
  expect(victim.members()).toEqual([])
})

test("a watch is on the file that has its path by now, with a warning, when its own is gone", async () => {
  const victim = await dumped()
  const plain = join(victim.folder, "plain")
  unlinkSync(plain)
  await Bun.write(plain, "another")
  const { stderr } = await restore(stasisTool, victim.images)
  expect(stderr.split(`"${plain}" is watched, which is another file by now`)).toHaveLength(2)
  victim.ask()
  // What it was told before the dump is that of the file that is gone: it notices.
  expect(await victim.answer()).toStartWith("FAIL inotify wd:10 ")
})

test("a file of /proc/pressure that is open for writing may have a trigger, which is told as lost", async () => {
  const path = "/proc/pressure/memory"
  if (!existsSync(path)) return skip(`${path} is not there`)
  const victim = launch("pressure", ["setsid", "sh", "-c", `exec 3<>${path} 4<${path}; echo READY; exec sleep 600`])
  await waitFor("the program", () => statusOf(victim.pid, "Name") === "sleep" || victim.members().length === 0)
  if (victim.members().length === 0) return skip(`${path} cannot be opened`)
  const { stderr } = await dump(stasisTool, victim.pid, victim.images)
  expect(stderr.match(/not kept: .*/g)).toEqual([
    `not kept: what fd 3 of task ${victim.pid} waits for in "${path}", a trigger that the kernel tells nobody`,
  ])
  await victim.gone()
  await restore(stasisTool, victim.images, "--verify")
})
