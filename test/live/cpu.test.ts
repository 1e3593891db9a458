import { afterEach, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { readCpu } from "../../ffi/cpu.x86_64.ts"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { cleanUp, endNow } from "../harness/process.ts"
import { dump, type Run, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { changeCpu, copyImages, hasNamed, putFeatures } from "./images.ts"
import { plan, told } from "./plans.ts"

afterEach(cleanUp)

/** Instructions that this CPU lacks; no CPU has all of these. */
const LACKING = ["3dnow", "xop", "tbm", "avx512er", "amx_tile"].filter((name) => !hasNamed(readCpu().words, name))

interface Told {
  readonly possible: boolean
  readonly status: number
  readonly warnings: readonly string[]
  readonly complaints: readonly { readonly code: string; readonly found: string }[]
}

async function dumped(...options: string[]): Promise<Victim> {
  const victim = await start("heap")
  await dump(stasisTool, victim.pid, victim.images, ...options)
  await victim.gone()
  return victim
}
const tryRestore = (images: string, ...options: string[]): Promise<Run> =>
  run([...stasisTool.command, "restore", "--json", "-d", "-D", images, ...options])

/** Names with "and nothing else" around them. */
const listed = new RegExp(`: ${LACKING.join(", ")};|lacks ${LACKING.join(", ")};`)

describe("a set of a CPU with instructions that this one lacks", () => {
  test("is restored with a warning that names them; plan tells it too", async () => {
    const victim = await dumped()
    changeCpu(victim.images, putFeatures(true, ...LACKING))
    const planned = await plan(victim.images)
    expect(planned.status).toBe(0)
    const { possible, warnings } = told<Told>(planned)
    expect(possible).toBe(true)
    expect(warnings).toEqual([expect.stringMatching(listed)])
    const text = await run([...stasisTool.command, "plan", victim.images])
    expect(text.stdout).toContain(`A restore would warn:\n  ${warnings[0]}\n`)
    const { stderr } = await restore(stasisTool, victim.images)
    expect(stderr).toContain(`warning: restore: ${warnings[0]}`)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("is refused by --cpu-cap=ins, by =cpu and by --strict, before anything is made; plan tells it too", async () => {
    const victim = await dumped()
    changeCpu(victim.images, putFeatures(true, ...LACKING))
    for (const option of ["--cpu-cap=ins", "--cpu-cap=^fpu", "--cpu-cap=none,cpu", "--cpu-cap", "--strict"]) {
      const refused = await tryRestore(victim.images, option)
      expect([option, refused.status]).toEqual([option, EXIT_STATUS.E_IMAGE_UNSUPPORTED])
      const { code, found } = toldError(refused)
      expect(code).toBe("E_IMAGE_UNSUPPORTED")
      for (const name of LACKING) expect(found).toContain(name)
      const { complaints, status, warnings } = told<Told>(await plan(victim.images, option))
      expect({ first: complaints[0]?.found, status, warnings }).toEqual({ first: found, status: refused.status, warnings: [] })
    }
    expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
    // Nothing is asked for, or of extended state only.
    for (const option of ["--cpu-cap=none", "--cpu-cap=^ins"]) {
      expect(await tryRestore(victim.images, option)).toMatchObject({ status: 0, stderr: "" })
      endNow(victim.pid)
      await victim.gone()
    }
  })
})

test("a set of a CPU that had less is restored without a word, but for --cpu-cap=cpu", async () => {
  const victim = await dumped()
  changeCpu(victim.images, putFeatures(false, "ssse3", "popcnt"))
  expect(toldError(await tryRestore(victim.images, "--cpu-cap=all")).found).toStartWith("it has ssse3, popcnt besides; it was dumped on ")
  expect(await tryRestore(victim.images, "--cpu-cap=ins")).toMatchObject({ status: 0, stderr: "" })
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("extended state that is turned off here is told, and refused by --cpu-cap=fpu", async () => {
  const victim = await dumped()
  changeCpu(victim.images, (entry) => {
    entry.xfeatures_mask = (entry.xfeatures_mask ?? 0n) | (1n << 4n)
    putFeatures(true, "mpx")(entry)
  })
  expect(told<Told>(await plan(victim.images)).warnings).toEqual([expect.stringContaining(": mpx;")])
  expect(toldError(await tryRestore(victim.images, "--cpu-cap=^ins")).found).toContain("xsave components 0x10 are not turned on here")
})

test("a dump with --cpu-cap=none has no cpuinfo.img: a restore says nothing, and one with --cpu-cap misses it", async () => {
  const victim = await dumped("--cpu-cap=none")
  expect(existsSync(join(victim.images, "cpuinfo.img"))).toBe(false)
  expect(toldError(await tryRestore(victim.images, "--cpu-cap")).code).toBe("E_IMAGE_MISSING")
  expect(told<Told>(await plan(victim.images, "--cpu-cap")).complaints).toMatchObject([{ code: "E_IMAGE_MISSING" }])
  expect(await tryRestore(victim.images)).toMatchObject({ status: 0, stderr: "" })
})

test("the same CPU has all that --cpu-cap can ask for; words of another version are no obstacle unless it asks", async () => {
  const victim = await dumped("--cpu-cap=all")
  expect(told<Told>(await plan(victim.images, "--cpu-cap=all"))).toMatchObject({ possible: true, warnings: [] })
  const other = copyImages(victim.images, join(victim.folder, "other"))
  changeCpu(other, (entry) => {
    entry.capability_ver = 9
  })
  expect(told<Told>(await plan(other))).toMatchObject({ possible: true, warnings: [] })
  expect(told<Told>(await plan(other, "--cpu-cap")).complaints).toMatchObject([{ code: "E_IMAGE_UNSUPPORTED" }])
  expect(await tryRestore(victim.images, "--cpu-cap=all")).toMatchObject({ status: 0, stderr: "" })
})
