import { afterEach, describe, expect, test } from "bun:test"
import type { cpuinfo_x86_entry } from "../../proto/gen/cpuinfo_pb.ts"
import { openImages } from "../../src/image/set.ts"
import { collectCpu } from "../../src/kinds/cpu/collect.x86_64.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, must, restore, run, stasisTool, type Tool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { changeCpu, putFeatures } from "../live/images.ts"
import { plan } from "../live/plans.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") console.log(`skipped: ${peer}`)
const none = typeof peer === "string"
afterEach(cleanUp)

/** One victim, saved by one tool and brought back by the other, both with --cpu-cap=all. */
async function cross(dumper: Tool, restorer: Tool): Promise<void> {
  const victim = await start("heap")
  await dump(dumper, victim.pid, victim.images, "--cpu-cap=all")
  await victim.gone()
  await restore(restorer, victim.images, "--cpu-cap=all")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

test.skipIf(none)("the real CRIU restores with --cpu-cap=all what stasis dumped", async () => {
  if (typeof peer !== "string") await cross(stasisTool, peer.criu)
})
test.skipIf(none)("stasis restores with --cpu-cap=all what the real CRIU dumped", async () => {
  if (typeof peer !== "string") await cross(peer.criu, stasisTool)
})

test.skipIf(none)("cpuinfo.img is that of `criu cpuinfo dump`, word by word", async () => {
  if (typeof peer === "string") return
  const victim = await start("heap")
  await dump(stasisTool, victim.pid, victim.images, "--leave-running")
  const ours = openImages(victim.images).all("cpuinfo")
  await must(peer.criu, "cpuinfo", "dump", "-D", victim.images)
  const theirs = openImages(victim.images).all("cpuinfo")
  expect(theirs).toEqual(ours)
  expect(theirs).toEqual([collectCpu()])
})

describe.skipIf(none)("--cpu-cap=CAP refuses what `criu cpuinfo check` refuses", () => {
  /**
   * Where this CPU is not that of the set. CRIU counts what is speed alone, and what only a kernel can execute, to the instructions: not
   * here.
   */
  const changes: Readonly<Record<string, (entry: cpuinfo_x86_entry) => void>> = {
    nothing: () => {},
    "an instruction that is missing": putFeatures(true, "mpx", "3dnow", "xop"),
    "one more": putFeatures(false, "ssse3"),
    "a feature of the kernel that is missing": putFeatures(true, "ia64"),
    "components that are missing": (entry) => {
      entry.xfeatures_mask = (entry.xfeatures_mask ?? 0n) | 0x200n | 0x10n
    },
    "fewer components": (entry) => {
      entry.xfeatures_mask = 5n
    },
    "another size of extended state": (entry) => {
      entry.xsave_size = 2440
    },
    "another size at most": (entry) => {
      entry.xsave_size_max = 4096
    },
    "another model": (entry) => Object.assign(entry, { cpu_family: 15, model: 1, stepping: 7 }),
  }
  test.each(Object.keys(changes))("%s", async (name) => {
    if (typeof peer === "string") return
    const victim = await start("heap")
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    changeCpu(victim.images, changes[name] ?? (() => {}))
    const ours: Record<string, boolean> = {}
    const theirs: Record<string, boolean> = {}
    for (const cap of ["", "=all", "=cpu", "=ins", "=fpu", "=^ins", "=^fpu", "=all,^fpu"]) {
      const { status } = await run([...peer.criu.command, "cpuinfo", "check", "-D", victim.images, `--cpu-cap${cap}`])
      theirs[cap] = status === 0
      ours[cap] = (await plan(victim.images, `--cpu-cap${cap}`)).status === 0
    }
    expect(ours).toEqual(theirs)
  })
})
