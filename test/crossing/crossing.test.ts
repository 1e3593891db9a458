import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, run, stasisTool } from "../harness/tool.ts"
import { dumpAndRestore, expectWell, startRow } from "../live/round.ts"
import type { Row } from "../live/row.ts"
import { rows } from "../live/rows.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
else console.log(`CRIU ${peer.version}`)

const shared = rows.filter(({ notWithCriu }) => notWithCriu === undefined)
afterEach(cleanUp)

/** One test a row, skipped without the real CRIU. */
function each(body: (row: Row, tools: Exclude<typeof peer, string>) => Promise<void>): void {
  for (const row of shared)
    test.skipIf(typeof peer === "string")(
      row.title,
      async () => {
        if (typeof peer !== "string") await body(row, peer)
      },
      60_000,
    )
}

describe("the real CRIU restores what stasis dumped", () => {
  each((row, { criu }) => dumpAndRestore(row, stasisTool, criu))
})

describe("stasis restores what the real CRIU dumped", () => {
  each((row, { criu }) => dumpAndRestore(row, criu, stasisTool))
})

/** Files that have no CRIU framing (pages) or are ours alone, which crit does not know. */
const notForCrit = (name: string) => /^(pages-|stasis-)/.test(name) || !/(\.img|^stats-dump)$/.test(name)

describe("crit decodes every image, and stasis shows CRIU's", () => {
  for (const row of shared.filter(({ title }) => /^(altstack|pipes|epolls|posixtimers|rseqspin|sigpending|maps)/.test(title)))
    test.skipIf(typeof peer === "string")(
      row.title,
      async () => {
        if (typeof peer === "string") return
        const victim = await startRow(row)
        if (!victim) return
        await dump(stasisTool, victim.pid, victim.images, "--leave-running")
        const images = readdirSync(victim.images).filter((name) => !notForCrit(name))
        expect(images).toContain(`core-${victim.pid}.img`)
        for (const name of images) {
          const { status, stdout, stderr } = await run([...peer.crit.command, "decode", "-i", join(victim.images, name)])
          expect(`${name}: ${status} ${stderr}`).toBe(`${name}: 0 `)
          const decoded = JSON.parse(stdout) as { magic: string; entries: unknown[] }
          expect(decoded.entries.length).toBeGreaterThan(0)
        }
        const other = join(victim.images, "criu")
        await run(["mkdir", other])
        await dump(peer.criu, victim.pid, other, "--leave-running")
        await must(stasisTool, "show", other)
        victim.ask()
        // CRIU's own --leave-running breaks threads in sections, so a section that CRIU touched proves nothing about us.
        if (row.source !== "rseqspin") await expectWell(victim, row)
      },
      60_000,
    )
})
