import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { changePool, GIB, mountHuge, takeHugePages } from "../harness/hugepages.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"
import { plan, told } from "./plans.ts"
import { dumpAndLeave, dumpAndRestore } from "./round.ts"
import { row } from "./row.ts"

afterEach(cleanUp)

/** Pages of 2 MiB that are free and promised to nobody. */
function freePages(): number {
  const of = (file: string): number => Number(readFileSync(`/sys/kernel/mm/hugepages/hugepages-2048kB/${file}`, "latin1"))
  return of("free_hugepages") - of("resv_hugepages")
}

async function well(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

describe("a file of a mounted hugetlbfs", () => {
  test("is found by its path again, with the pages that are a process's own", async () => {
    await using pages = await takeHugePages(12)
    using mounted = pages && mountHuge()
    if (!mounted) return
    const one = row("hugepages", "file", mounted.path)
    await dumpAndRestore(one, stasisTool, stasisTool)
    await dumpAndLeave(one, stasisTool)
  }, 60_000)

  test("that is deleted is refused by name, as a mapping and as a descriptor", async () => {
    await using pages = await takeHugePages(12)
    using mounted = pages && mountHuge()
    if (!mounted) return
    for (const kind of ["deleted", "open"]) {
      const victim = await start("hugepages", { args: [kind, mounted.path] })
      const result = await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images])
      expect(toldError(result).code).toBe("E_UNSUPPORTED")
      expect(toldError(result).found).toContain(`"${mounted.path}/huge", a deleted file of huge pages (hugetlbfs)`)
      expect(readdirSync(victim.images)).toEqual([])
      expect(statusOf(victim.pid, "TracerPid")).toBe("0")
      await well(victim)
    }
  }, 60_000)
})

describe("a look at a program takes no huge page from the pool", () => {
  for (const kind of ["private", "shared", "memfd", "fork", "sysv"])
    test(kind, async () => {
      await using pages = await takeHugePages(12)
      const victim = pages && (await start("hugepages", { args: [kind] }))
      if (!victim || !isReady(victim)) return
      const before = freePages()
      expect((await plan(`${victim.pid}`)).status).toBe(0)
      expect(freePages()).toBe(before)
      await dump(stasisTool, victim.pid, victim.images, "--leave-running", "--verify")
      expect(freePages()).toBe(before)
      await well(victim)
    }, 60_000)
})

describe("a machine with too few huge pages", () => {
  // Those of a segment that stays when its program is away are there still.
  for (const [kind, needed] of [
    ["private", 7],
    ["shared", 3],
    ["memfd", 6],
    ["fork", 6],
    ["sysv", 2],
  ] as const)
    test(`plan tells it and restore refuses it before anything exists; with just enough it restores: ${kind}`, async () => {
      await using pages = await takeHugePages(12)
      if (!pages) return
      const victim = await start("hugepages", { args: [kind] })
      if (!isReady(victim)) return
      await dump(stasisTool, victim.pid, victim.images)
      await victim.gone()
      const surplus = freePages() - needed + 1
      changePool(-surplus)
      try {
        expect(freePages()).toBe(needed - 1)
        const { complaints } = told<{ complaints: { code: string; found: string; next: string }[] }>(await plan(victim.images))
        const refused = await run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images])
        expect(refused.status).toBe(EXIT_STATUS.E_KERNEL)
        const { code, found, next } = toldError(refused)
        expect(complaints).toEqual([expect.objectContaining({ code, found, next })])
        expect(found).toBe(
          `it needs ${needed} huge pages of 2 MiB, of which ${needed - 1} ${needed === 2 ? "is" : "are"} free and promised to nobody`,
        )
        expect(next).toMatch(/nr_hugepages/)
        expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
        // No page more than it says.
        changePool(1)
        expect((await plan(victim.images)).status).toBe(0)
        await restore(stasisTool, victim.images, "--verify")
        expect(freePages()).toBeGreaterThanOrEqual(0)
      } finally {
        changePool(surplus - 1)
      }
      await well(victim)
    }, 60_000)
})

test("a page of 1 GiB", async () => {
  if (!existsSync(`/sys/kernel/mm/hugepages/${GIB}`) || process.env.STASIS_GIGANTIC !== "1")
    return skip("a page of 1 GiB: only with STASIS_GIGANTIC=1")
  await using pages = await takeHugePages(1, GIB)
  if (pages) await dumpAndRestore(row("hugepages", "gib"), stasisTool, stasisTool)
}, 120_000)
