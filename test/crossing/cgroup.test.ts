import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { alsoRemove, cgroup, expectWell, makeCgroup, mountOf, property, removeCgroups, setProperty, victimIn } from "../harness/cgroups.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, restore, run, stasisTool, type Tool } from "../harness/tool.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
const missing = ["", "cpu", "memory", "freezer"].filter((name) => mountOf(name) === undefined)
const lacking = typeof peer === "string" || missing.length > 0
if (lacking) skip(typeof peer === "string" ? peer : `no cgroup hierarchy ${missing.join(", ")} is mounted`)

afterEach(async () => {
  await cleanUp()
  await removeCgroups()
})

/** Dump with one tool, remove the cgroups, restore with the other. */
async function cross(dumper: Tool, restorer: Tool): Promise<void> {
  const [unified, cpu, alone, memory, other] = ["", "cpu", "cpu", "memory", "memory"].map(cgroup) as [
    string,
    string,
    string,
    string,
    string,
  ]
  const inner = makeCgroup(unified, "inner")
  const below = makeCgroup(inner, "below")
  setProperty(inner, "cgroup.max.descendants", "9")
  setProperty(below, "cgroup.max.depth", "4")
  setProperty(alone, "cpu.shares", "333")
  setProperty(memory, "memory.limit_in_bytes", "536870912")
  const victim = await victimIn([inner, cpu, memory], [alone], [inner, cpu, other])
  const [child] = readFileSync(`/proc/${victim.pid}/task/${victim.pid}/children`, "latin1").trim().split(" ")
  await dump(dumper, victim.pid, victim.images)
  await victim.gone()
  // CRIU does not wait for a PID whose last owner was not reaped yet.
  await waitFor("the PID of the child", () => !existsSync(`/proc/${child}`))
  const all = [below, inner, unified, cpu, alone, memory, other]
  await removeCgroups(all)
  for (const directory of all) alsoRemove(directory)
  await restore(restorer, victim.images)
  expect(property(inner, "cgroup.max.descendants")).toBe("9")
  expect(property(below, "cgroup.max.depth")).toBe("4")
  expect(property(alone, "cpu.shares")).toBe("333")
  expect(property(memory, "memory.limit_in_bytes")).toBe("536870912")
  await expectWell(victim)
}

describe.skipIf(lacking)("cgroups", () => {
  if (typeof peer === "string") return
  const { criu, crit } = peer
  test("the real CRIU restores what stasis dumped", () => cross(stasisTool, criu), 60_000)
  test("stasis restores what the real CRIU dumped", () => cross(criu, stasisTool), 60_000)

  test("stasis restores what the real CRIU dumped with --freeze-cgroup, and the other way round", async () => {
    for (const [dumper, restorer] of [
      [criu, stasisTool],
      [stasisTool, criu],
    ] as const) {
      const directory = cgroup("freezer")
      const victim = await victimIn([directory])
      await must(dumper, "dump", "-t", `${victim.pid}`, "-D", victim.images, "--freeze-cgroup", directory)
      await victim.gone()
      await removeCgroups([directory])
      alsoRemove(directory)
      await restore(restorer, victim.images)
      await expectWell(victim)
    }
  }, 60_000)

  test("crit decodes cgroup.img", async () => {
    const directory = cgroup("")
    const victim = await victimIn([directory])
    await dump(stasisTool, victim.pid, victim.images, "--leave-running")
    const { status, stdout } = await run([...crit.command, "decode", "-i", join(victim.images, "cgroup.img")])
    expect(status).toBe(0)
    const [entry] = (JSON.parse(stdout) as { entries: { sets: { id: number; ctls: { name: string; path: string }[] }[] }[] }).entries
    const path = directory.slice((mountOf("") ?? "").length)
    expect(entry?.sets[0]?.ctls.find(({ name }) => name === "")?.path).toBe(path)
    await expectWell(victim)
  }, 60_000)
})
