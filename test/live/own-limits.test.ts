import { afterEach, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { newCgroup, removeCgroups, setProperty } from "../harness/cgroups.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

afterEach(async () => {
  await cleanUp()
  await removeCgroups()
})

/** A command of a stasis that may have few descriptors; with CAP_SYS_RESOURCE it gives itself more. */
const limited = (most: number, ...words: string[]) =>
  run(["sh", "-c", `ulimit -n ${most}; exec "$@"`, "sh", ...stasisTool.command, ...words, "--json"])

const told = { code: "E_KERNEL", found: expect.stringContaining("RLIMIT_NOFILE"), next: "Raise the limit of stasis: ulimit -n" }

test("a tree is larger than the descriptors that stasis may have: what to raise is said, and the tree is as before", async () => {
  const victim = await start("forest", { args: ["4", "9"] })
  const members = treeOf(victim.pid)
  const few = await limited(32, "dump", `${victim.pid}`, "-D", victim.images)
  if (few.status === 0) return skip("stasis may raise its limits here")
  expect(toldError(few)).toMatchObject(told)
  expect(readdirSync(victim.images)).toEqual([])
  await dump(stasisTool, victim.pid, victim.images)
  await allGone(members)
  expect(toldError(await limited(8, "restore", "-d", "-D", victim.images))).toMatchObject(told)
  await allGone(members)
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("stasis may have no timer: what to raise is said by each command that wants one, and nothing is touched", async () => {
  const victim = await start("forest", { args: ["2", "2"] })
  const none = async (...words: string[]) => toldError(await run(["prlimit", "--sigpending=0", ...stasisTool.command, ...words, "--json"]))
  const lack = { ...told, found: expect.stringContaining("RLIMIT_SIGPENDING"), next: "Raise the limit of stasis: ulimit -i" }
  expect(await none("rseq", `${victim.pid}`)).toMatchObject(lack)
  expect(await none("dump", `${victim.pid}`, "-D", victim.images)).toMatchObject(lack)
  expect(readdirSync(victim.images)).toEqual([])
  const members = treeOf(victim.pid)
  await dump(stasisTool, victim.pid, victim.images)
  await allGone(members)
  expect(await none("restore", "-d", "-D", victim.images)).toMatchObject(lack)
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("no more threads may be made in the cgroup of a restore: what to raise is said, and nothing is left", async () => {
  const pids = newCgroup("pids")
  if (!pids) return skip("cgroups of processes (pids), which are not here or not ours")
  const victim = await start("threads")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  setProperty(pids, "pids.max", "6")
  const inside = ["sh", "-c", `echo $$ >${pids}/cgroup.procs; exec "$@"`, "sh"]
  const result = await run([...inside, ...stasisTool.command, "restore", "-d", "-D", victim.images, "--json"])
  expect(toldError(result)).toMatchObject({ code: "E_RESTORE", next: expect.stringContaining("pids.max") })
  await allGone([victim.pid])
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

/** Starts a program that may make no memory executable that it could write to. Man page: PR_SET_MDWE(2const), Linux 6.3 */
const DENYING = ["perl", "-e", "syscall(157, 65, 1, 0, 0, 0) == 0 or exit 99; exec @ARGV"]

test("stasis may make no machine code: that is said, and images can be shown", async () => {
  const victim = await start("forest", { args: ["1", "1"] })
  const denied = (...words: string[]) => run([...DENYING, ...stasisTool.command, ...words])
  const refused = await denied("dump", `${victim.pid}`, "-D", victim.images, "--json")
  if (refused.status === 99) return skip("the kernel has no PR_SET_MDWE")
  expect(toldError(refused)).toMatchObject({ code: "E_KERNEL", next: expect.stringContaining("PR_SET_MDWE") })
  expect(readdirSync(victim.images)).toEqual([])
  await dump(stasisTool, victim.pid, victim.images, "-R")
  expect(await denied("show", victim.images)).toMatchObject({ status: 0 })
})
