/** Images of a kernel with another vdso, made of images of this one: what stands in them would trap here. */
import { afterEach, describe, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { decodeImage } from "../../src/image/read.ts"
import { openImages } from "../../src/image/set.ts"
import { encodeImage } from "../../src/image/write.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, type Start, start, type Victim } from "../harness/victim.ts"
import { asForeign, placeOf, savedVdso, specialAreas, writeVdso } from "./vdso.ts"

afterEach(cleanUp)

/**
 * Dumps a victim, kills it, and makes its vdso that of another kernel. Who is hardly ever outside the vdso may be met inside all the same.
 */
async function dumpForeign(victim: Victim, pids: readonly number[] = [victim.pid]): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-running")
    if (!stderr.includes("inside the vdso")) break
    if (tries === 20) throw new Error(stderr)
  }
  for (const pid of pids) process.kill(pid, "SIGKILL")
  await victim.gone()
  for (const pid of pids) writeVdso(victim.images, pid, asForeign(savedVdso(victim.images, pid)))
}

async function expectWell(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

describe("a vdso of another kernel", () => {
  const starts: readonly (readonly [string, Start])[] = [
    ["busy threads", {}],
    ["threads that call now and then", { args: ["rarely"] }],
    ["a static program", { linkage: "static" }],
  ]
  for (const [title, options] of starts)
    test(`calls go to this kernel's: ${title}`, async () => {
      const victim = await start("vdso", options)
      if (!isReady(victim)) return
      const before = specialAreas(victim.pid)
      await dumpForeign(victim)
      await restore(stasisTool, victim.images, "--verify")
      expect(specialAreas(victim.pid)).toEqual(before)
      await expectWell(victim)
    })

  test("a second dump of what was restored so, and one on another kernel again", async () => {
    const victim = await start("vdso")
    await dumpForeign(victim)
    await restore(stasisTool, victim.images, "--verify")
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await restore(stasisTool, victim.images, "--verify")
    await dumpForeign(victim)
    await restore(stasisTool, victim.images, "--verify")
    await expectWell(victim)
  })

  test("plan says nothing against it", async () => {
    const victim = await start("vdso")
    await dumpForeign(victim)
    const plan = await run([...stasisTool.command, "plan", "-D", victim.images, "--json"])
    expect(plan.status).toBe(0)
    expect(JSON.parse(plan.stdout)).toMatchObject({ complaints: [], warnings: [] })
  })

  test("a tree", async () => {
    const victim = await start("forest", { args: ["3", "2"] })
    const pids = victim.members()
    expect(pids.length).toBeGreaterThan(3)
    await dumpForeign(victim, pids)
    await restore(stasisTool, victim.images, "--verify")
    await expectWell(victim)
  })

  test("bytes that are no vdso are refused, and nothing comes to life", async () => {
    const victim = await start("vdso")
    await dumpForeign(victim)
    writeVdso(victim.images, victim.pid, new Uint8Array(savedVdso(victim.images, victim.pid).length))
    const refused = await run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images])
    expect(toldError(refused)).toMatchObject({ code: "E_IMAGE_UNSUPPORTED", found: "its bytes are no vdso of x86-64" })
    await victim.gone()
  })
})

describe("threads that do nothing but look at the clock", () => {
  /** IPs of all threads in the images, and the vdso. */
  function seen({ images, pid }: Victim): { inside: number[]; threads: number } {
    const set = openImages(images)
    const { start, end } = placeOf(images, pid).area
    const [entry] = set.all("pstree")
    const tids = entry?.threads ?? []
    const inside = tids.filter((tid) => {
      const ip = set.one("core", tid).thread_info?.gpregs.ip ?? 0n
      return ip >= start && ip < end
    })
    return { inside, threads: tids.length }
  }

  test("are met outside the vdso, or a dump says which are not, and such images are for this kernel only", async () => {
    const victim = await start("vdso")
    let outside = 0
    for (let round = 0; round < 20; round++) {
      const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-running")
      const { inside, threads } = seen(victim)
      expect(threads).toBe(4)
      expect([...stderr.matchAll(/thread (\d+) was inside the vdso/g)].map(([, tid]) => Number(tid))).toEqual(inside)
      if (inside.length === 0) outside++
    }
    expect(outside).toBeGreaterThan(10)
    await expectWell(victim)
  })

  test("one that is inside is refused on another kernel, and restored on this one", async () => {
    const victim = await start("vdso")
    await dumpForeign(victim)
    const name = `core-${victim.pid}.img`
    const path = join(victim.images, name)
    const good = readFileSync(path)
    const entries = decodeImage("core", name, good).map(({ message }) => message)
    const { start: place } = placeOf(victim.images, victim.pid).area
    for (const { thread_info } of entries) if (thread_info) thread_info.gpregs.ip = place + 0x700n
    writeFileSync(path, encodeImage("core", entries))
    const refused = await run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images])
    expect(toldError(refused)).toMatchObject({
      code: "E_IMAGE_UNSUPPORTED",
      found: expect.stringContaining("inside the dump's vdso at 0x"),
    })
    writeFileSync(path, good)
    await restore(stasisTool, victim.images, "--verify")
    await expectWell(victim)
  })
})
