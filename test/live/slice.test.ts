/** Images of a kernel that gives longer time slices (Linux 7.0, CONFIG_RSEQ_SLICE_EXTENSION), made of images of this one. */
import { afterEach, describe, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { RSEQ_CS_FLAG_KERNEL, rseqArea } from "../../ffi/abi/rseq.ts"
import { decodeImage } from "../../src/image/read.ts"
import { openImages } from "../../src/image/set.ts"
import { encodeImage } from "../../src/image/write.ts"
import { lackOfSliceExtension } from "../../src/rseq/slice.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"
import { writeSaved } from "./images.ts"
import { NO_LIBRARY_RSEQ } from "./rows.ts"

afterEach(cleanUp)
const lack = lackOfSliceExtension()

/** What the kernel writes into the area of a thread that has turned them on. */
function setFlags({ images, pid }: Victim): void {
  const flags = new Uint8Array(4)
  new DataView(flags.buffer).setUint32(0, RSEQ_CS_FLAG_KERNEL.SLICE_EXT_AVAILABLE | RSEQ_CS_FLAG_KERNEL.SLICE_EXT_ENABLED, true)
  const set = openImages(images)
  for (const tid of set.all("pstree").flatMap(({ threads }) => threads)) {
    const at = set.one("core", tid).thread_core?.rseq_entry?.rseq_abi_pointer
    if (at) writeSaved(images, pid, at + BigInt(rseqArea.fields.flags[0]), flags)
  }
}

/** Says of every thread that it had turned them on. */
function setExtension({ images, pid }: Victim): void {
  const name = `stasis-core-${pid}.img`
  const path = join(images, name)
  const entries = decodeImage("stasis-core", name, readFileSync(path)).map(({ message }) => message)
  for (const { threads } of entries) for (const thread of threads) thread.rseq_slice_extension = true
  writeFileSync(path, encodeImage("stasis-core", entries))
}

async function dumped(name: string): Promise<Victim> {
  const victim = await start(name, { args: ["{folder}"] })
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  return victim
}

describe("longer time slices", () => {
  test("a kernel that does not know the flags does not find them: a thread inside a section lives on", async () => {
    const victim = await dumped("rseqspin")
    setFlags(victim)
    await restore(stasisTool, victim.images)
    // A kernel that saw them would kill it at the first preemption inside its section.
    await Bun.sleep(300)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("where this kernel has none, a restore says so, and one with --strict refuses", async () => {
    if (lack === undefined) {
      return skip("this kernel gives longer time slices")
    }
    const victim = await dumped("rseqspin")
    setExtension(victim)
    const strict = await run([...stasisTool.command, "restore", "--json", "-d", "--strict", "-D", victim.images])
    expect(toldError(strict)).toMatchObject({
      code: "E_IMAGE_UNSUPPORTED",
      found: `it had longer time slices: ${lack}, and --strict forbids to leave them out`,
    })
    const { stderr } = await restore(stasisTool, victim.images)
    expect(stderr).toContain(`thread ${victim.pid} goes on without longer time slices: ${lack}`)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("where this kernel gives them, they are on again", async () => {
    if (lack !== undefined) {
      return skip(lack)
    }
    const victim = await start("rseqslice", { args: ["{folder}"], env: NO_LIBRARY_RSEQ })
    if (!isReady(victim)) return
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await restore(stasisTool, victim.images, "--verify")
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
})
