import { afterEach, describe, expect, test } from "bun:test"
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import {
  alsoRemove,
  cgroup,
  dumped,
  expectWell,
  makeCgroup,
  mountOf,
  property,
  removeCgroups,
  setProperty,
  victimIn,
} from "../harness/cgroups.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import type { Victim } from "../harness/victim.ts"

const v1 = ["memory", "cpu", "pids"].every((name) => mountOf(name) !== undefined)
const v2 = mountOf("") !== undefined
if (!v1 || !v2) skip(`cgroups of version ${v1 ? 2 : 1}, which are not mounted here`)

afterEach(async () => {
  await cleanUp()
  await removeCgroups()
})

const refused = async (victim: Victim, ...options: string[]) => {
  const result = await run([...stasisTool.command, "restore", "-D", victim.images, "-d", "--json", ...options])
  expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
  return toldError(result)
}

describe("dump, kill, remove the cgroups, restore", () => {
  test.skipIf(!v1)("version 1: membership, thread membership, properties, owners and modes", async () => {
    const [memory, cpu, alone, pids] = ["memory", "cpu", "cpu", "pids"].map(cgroup) as [string, string, string, string]
    const below = makeCgroup(memory, "below")
    for (const [directory, name, value] of [
      [memory, "memory.limit_in_bytes", "536870912"],
      [memory, "memory.memsw.limit_in_bytes", "637534208"],
      [below, "memory.swappiness", "7"],
      [alone, "cpu.shares", "333"],
      [alone, "cpu.cfs_quota_us", "70000"],
      [pids, "pids.max", "40"],
    ] as const)
      setProperty(directory, name, value)
    chmodSync(below, 0o711)
    chmodSync(join(pids, "tasks"), 0o664)
    const victim = await victimIn([memory, cpu, pids], [alone])
    await dumped(victim)
    await removeCgroups([below, memory, cpu, alone, pids])
    await restore(stasisTool, victim.images)
    expect(property(memory, "memory.limit_in_bytes")).toBe("536870912")
    expect(property(memory, "memory.memsw.limit_in_bytes")).toBe("637534208")
    expect(property(below, "memory.swappiness")).toBe("7")
    expect(property(alone, "cpu.shares")).toBe("333")
    expect(property(alone, "cpu.cfs_quota_us")).toBe("70000")
    expect(property(pids, "pids.max")).toBe("40")
    expect(statSync(below).mode & 0o777).toBe(0o711)
    expect(statSync(join(pids, "tasks")).mode & 0o777).toBe(0o664)
    await expectWell(victim)
  })

  test.skipIf(!v2)("version 2: a directory below directories that are made on the way", async () => {
    const top = cgroup("")
    const [middle, inner] = [makeCgroup(top, "a"), makeCgroup(top, "a", "b")]
    setProperty(inner, "cgroup.max.descendants", "11")
    const victim = await victimIn([inner])
    await dumped(victim)
    await removeCgroups([inner, middle, top])
    await restore(stasisTool, victim.images)
    expect(property(inner, "cgroup.max.descendants")).toBe("11")
    await expectWell(victim)
  })

  test.skipIf(!v2)("version 2: a threaded cgroup for one thread", async () => {
    const top = cgroup("")
    const alone = makeCgroup(top, "alone")
    setProperty(alone, "cgroup.type", "threaded")
    const victim = await victimIn([top], [alone])
    await dumped(victim)
    await removeCgroups([alone, top])
    await restore(stasisTool, victim.images)
    expect(property(top, "cgroup.type")).toBe("domain threaded")
    expect(property(alone, "cgroup.type")).toBe("threaded")
    await expectWell(victim)
  })

  test.skipIf(!v1 || !v2)("a child in other cgroups, and one where the tool is", async () => {
    const [unified, pids, other] = [cgroup(""), cgroup("pids"), cgroup("pids")]
    for (const child of [[other], []]) {
      const victim = await victimIn([unified, pids], [], child)
      await dumped(victim)
      await removeCgroups([unified, pids, other])
      await restore(stasisTool, victim.images)
      await expectWell(victim)
      alsoRemove(unified)
      alsoRemove(pids)
      if (!existsSync(other)) mkdirSync(other)
      alsoRemove(other)
      for (const directory of [unified, pids]) if (!existsSync(directory)) mkdirSync(directory)
    }
  })

  test.skipIf(!v2)("--leave-running leaves the victim where it is", async () => {
    const victim = await victimIn([cgroup("")])
    await dump(stasisTool, victim.pid, victim.images, "--leave-running")
    await expectWell(victim)
  })
})

describe.skipIf(!v2)("--manage-cgroups and --cgroup-root at restore", () => {
  const dumpedIn = async (): Promise<{ directory: string; victim: Victim }> => {
    const directory = cgroup("")
    setProperty(directory, "cgroup.max.depth", "5")
    const victim = await victimIn([directory])
    await dumped(victim)
    return { directory, victim }
  }

  test("soft leaves the properties of what exists, props and full set them", async () => {
    for (const [mode, value] of [
      ["--manage-cgroups", "max"],
      ["--manage-cgroups=none", "max"],
      ["--manage-cgroups=props", "5"],
      ["--manage-cgroups=full", "5"],
    ] as const) {
      const { directory, victim } = await dumpedIn()
      setProperty(directory, "cgroup.max.depth", "max")
      await restore(stasisTool, victim.images, mode)
      expect(`${mode} ${property(directory, "cgroup.max.depth")}`).toBe(`${mode} ${value}`)
      await expectWell(victim)
    }
  })

  test("none and props want the cgroup to exist, strict wants it not to; nothing is left", async () => {
    const { directory, victim } = await dumpedIn()
    expect(await refused(victim, "--manage-cgroups=strict")).toMatchObject({ code: "E_RESTORE", found: `${directory} exists already` })
    await removeCgroups([directory])
    for (const mode of ["none", "props"])
      expect(await refused(victim, `--manage-cgroups=${mode}`)).toMatchObject({ code: "E_RESTORE", found: `${directory} does not exist` })
    expect(existsSync(directory)).toBe(false)
    await restore(stasisTool, victim.images, "--manage-cgroups=strict")
    expect(property(directory, "cgroup.max.depth")).toBe("5")
    await expectWell(victim)
  })

  test("ignore makes nothing and moves nothing", async () => {
    const { directory, victim } = await dumpedIn()
    await removeCgroups([directory])
    await restore(stasisTool, victim.images, "--manage-cgroups=ignore")
    expect(existsSync(directory)).toBe(false)
    victim.ask()
    expect(await victim.answer()).toMatch(/^FAIL the (process|thread) was in /)
  })

  test("ignore at dump saves nothing", async () => {
    const victim = await victimIn([cgroup("")])
    await dumped(victim, "--manage-cgroups=ignore")
    expect(existsSync(join(victim.images, "cgroup.img"))).toBe(false)
  })

  test("--cgroup-root puts the cgroups elsewhere", async () => {
    const { directory, victim } = await dumpedIn()
    const other = `${directory}-moved`
    alsoRemove(other)
    await removeCgroups([directory])
    await restore(stasisTool, victim.images, "--cgroup-root", `cgroup2:/${basename(other)}`)
    expect(property(other, "cgroup.max.depth")).toBe("5")
    expect(property(other, "cgroup.procs")).toBe(`${victim.pid}`)
    expect(existsSync(directory)).toBe(false)
  })

  test("a restore that fails late removes what it made", async () => {
    const { directory, victim } = await dumpedIn()
    await removeCgroups([directory])
    const script = join(victim.folder, "script")
    writeFileSync(script, '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != pre-resume ]\n', { mode: 0o755 })
    expect(await refused(victim, "--action-script", script)).toMatchObject({ code: "E_SCRIPT" })
    expect(existsSync(directory)).toBe(false)
  })

  test("a frozen cgroup is refused", async () => {
    const { directory, victim } = await dumpedIn()
    setProperty(directory, "cgroup.freeze", "1")
    await waitFor("the freeze", () => property(directory, "cgroup.events").includes("frozen 1"))
    expect(await refused(victim)).toMatchObject({ code: "E_RESTORE", found: `${directory} is frozen` })
    setProperty(directory, "cgroup.freeze", "0")
  })
})
