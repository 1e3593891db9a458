import { afterEach, expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { attempt, pathArgument, syscall } from "../../ffi/syscall.ts"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

afterEach(cleanUp)

const CREATE = 0o100 | 0o200 | 2

for (const [source, kind, found] of [
  ["mqueues", "notify", "a POSIX message queue with a notification (mq_notify)"],
  ["mqueues", "unlinked", "whose messages can only be read by taking them out"],
  ["aiorings", "forked", "an AIO ring of another process"],
] as const)
  test(`refuses what cannot be kept, and touches nothing: ${source} ${kind}`, async () => {
    const victim = await start(source, { args: [kind] })
    const refused = await run([...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images])
    expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    expect(toldError(refused).found).toContain(found)
    expect(readdirSync(victim.images)).toEqual([])
    expect(statusOf(victim.pid, "TracerPid")).toBe("0")
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

test("a message queue that has gone, or another one of its name, fails the restore, and nothing is left", async () => {
  const victim = await start("mqueues")
  const members = treeOf(victim.pid)
  await dump(stasisTool, victim.pid, victim.images)
  await allGone(members)
  const name = `victim ${victim.pid}`
  const tryIt = async (found: string): Promise<void> => {
    const failed = await run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images])
    expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
    expect(toldError(failed).found).toContain(found)
    expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
    expect((await run([...stasisTool.command, "plan", victim.images])).status).toBe(EXIT_STATUS.E_FILE_CHANGED)
  }
  // Held, so that the next one has another inode and this one can be found again by nobody.
  const held = syscall("mq_open", pathArgument(name), 0, 0, 0)
  syscall("mq_unlink", pathArgument(name))
  await tryIt("it does not exist")
  const other = syscall("mq_open", pathArgument(name), CREATE, 0o600, 0)
  try {
    await tryIt("another queue has its name")
  } finally {
    for (const fd of [held, other]) attempt("close", fd)
    attempt("mq_unlink", pathArgument(name))
  }
})

for (const kind of ["undo", "plain"])
  test(`a semaphore that was taken, ${kind}: what may have to be undone is told`, async () => {
    const victim = await start("semundo", { args: [kind] })
    const { stderr } = await dump(stasisTool, victim.pid, victim.images)
    const told = `not kept: what process ${victim.pid} may have to undo at its end (SEM_UNDO)`
    if (kind === "undo") expect(stderr).toContain(told)
    else expect(stderr).not.toContain("SEM_UNDO")
    await victim.gone()
    await restore(stasisTool, victim.images, "--verify")
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

test("messages that come between dump and restore are there", async () => {
  const victim = await start("ipcwaits", { args: ["mq_receive"] })
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  await restore(stasisTool, victim.images, "--verify")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
