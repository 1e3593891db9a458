import { afterEach, describe, expect, test } from "bun:test"
import { openSync, readSync } from "node:fs"
import { pagemapRuns } from "../../src/image/pagemap.ts"
import { openImages } from "../../src/image/set.ts"
import { inside } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

async function expectOk(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

/** Bit of MADV_DONTFORK in the advice of an area. */
const DONTFORK = 1n << 10n

/** What the images say of one address: the word there, and the advice for its area. */
function savedAt(images: string, pid: number, address: bigint): { word: bigint; dontfork: boolean } {
  const set = openImages(images)
  const vma = set.one("mm", pid).vmas.find(({ start, end }) => start <= address && address < end)
  for (const { vaddr, pages, offset, path } of pagemapRuns(set, "pagemap", pid)) {
    if (address < vaddr || address >= vaddr + BigInt(pages) * 4096n) continue
    const bytes = Buffer.alloc(8)
    readSync(openSync(path, "r"), bytes, 0, 8, Number(offset + address - vaddr))
    return { word: bytes.readBigInt64LE(), dontfork: ((vma?.madv ?? 0n) & DONTFORK) !== 0n }
  }
  throw new Error(`no page of ${address.toString(16)} in ${images}`)
}

describe("a program that changes while it is looked at", () => {
  for (const [what, title] of [
    ["threads", "threads that end are no reason to refuse it"],
    ["files", "files that are opened and closed are no reason to refuse it"],
  ] as const)
    test(title, async () => {
      const victim = await start("moving", { args: [what] })
      for (let round = 0; round < 8; round++) await dump(stasisTool, victim.pid, inside(victim.images, `${round}`), "--leave-running")
      await expectOk(victim)
    }, 60_000)

  test("children are saved and go on, whenever they are born", async () => {
    const victim = await start("moving", { args: ["children"] })
    for (let round = 0; round < 8; round++) {
      const images = inside(victim.images, `${round}`)
      await dump(stasisTool, victim.pid, images, "--no-sync")
      await victim.gone()
      await restore(stasisTool, images)
    }
    await expectOk(victim)
  }, 60_000)

  test("advice for an area belongs to the moment of its content", async () => {
    const victim = await start("moving", { args: ["advice"] })
    const address = BigInt(victim.lines()[0]?.replace("AREA ", "") ?? "")
    for (let round = 0; round < 16; round++) {
      const images = inside(victim.images, `${round}`)
      await dump(stasisTool, victim.pid, images, "--leave-running", "--no-sync")
      const { word, dontfork } = savedAt(images, victim.pid, address)
      if (word >= 0n) expect(dontfork).toBe(word === 1n)
    }
    await expectOk(victim)
  }, 60_000)
})
