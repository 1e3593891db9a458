import { afterEach, describe, expect, test } from "bun:test"
import { readClockOffsetsIfAlive } from "../../src/proc/timens.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, launch, start, type Victim } from "../harness/victim.ts"
import { AWAY, goAway, timeOf } from "./away.ts"
import { treeOf } from "./kin.ts"

afterEach(cleanUp)

const HERE = timeOf(process.pid)
const missing = ["unshare", "setpriv"].some((name) => Bun.which(name) === null)
if (missing) skip("util-linux is not installed")

async function expectOk(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

/** Starts a victim by way of a program that changes what it has. */
async function startBy(wrapper: readonly string[], name: string): Promise<Victim> {
  const victim = launch(name, ["setsid", ...wrapper, compileVictim(name), "{folder}/../ask"])
  await waitFor("READY", () => victim.lines().includes("READY"))
  return victim
}

describe("clocks go on where they were dumped", () => {
  test("from the machine's, and again from those that the restore made", async () => {
    const victim = await start("ages")
    expect(isReady(victim)).toBe(true)
    await goAway(victim, "first", stasisTool, stasisTool)
    const first = timeOf(victim.pid)
    expect(first).not.toBe(HERE)
    for (const pid of treeOf(victim.pid)) expect(timeOf(pid)).toBe(first)
    await goAway(victim, "second", stasisTool, stasisTool)
    const behind = Number(readClockOffsetsIfAlive(victim.pid)!.monotonic) / 1e6
    expect(behind).toBeLessThan(-2 * AWAY)
    expect(behind).toBeGreaterThan(-2 * AWAY - 20_000)
    await expectOk(victim)
  }, 60_000)

  test.skipIf(missing)(
    "those of a namespace that the program was started in",
    async () => {
      const offset = 100_000
      const victim = await startBy(["unshare", "--time", "--monotonic", `${offset}`], "ages")
      expect(timeOf(victim.pid)).not.toBe(HERE)
      await goAway(victim, "own", stasisTool, stasisTool)
      expect(Number(readClockOffsetsIfAlive(victim.pid)!.monotonic / 1_000_000_000n)).toBeGreaterThan(offset - 60)
      await expectOk(victim)
    },
    60_000,
  )
})

test.skipIf(missing)("a tree of several clocks is refused", async () => {
  const victim = launch("clocks", ["setsid", "sh", "-c", "unshare --time sleep 600 & wait"])
  await waitFor("the other clock", () => treeOf(victim.pid).some((pid) => timeOf(pid) !== HERE))
  const { code, found } = toldError(await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images]))
  expect([code, found]).toEqual(["E_NAMESPACE", expect.stringMatching(/in another time namespace/)])
})

test.skipIf(missing)("where clocks cannot be set plan and restore say that clocks jump", async () => {
  const powerless = ["setpriv", "--bounding-set", "-sys_time"]
  const victim = await startBy(powerless, "busyloop")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const without = { ...stasisTool, command: [...powerless, ...stasisTool.command] }
  expect((await run([...without.command, "plan", victim.images])).stdout).toMatch(/CLOCK_MONOTONIC and CLOCK_BOOTTIME jump/)
  const { stderr } = await restore(without, victim.images)
  expect(stderr).toMatch(/CLOCK_MONOTONIC and CLOCK_BOOTTIME jump/)
  expect(readClockOffsetsIfAlive(victim.pid)).toEqual(readClockOffsetsIfAlive(process.pid)!)
  await expectOk(victim)
})
