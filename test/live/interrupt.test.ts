import { afterEach, expect, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, statusOf, threadsOf } from "../harness/process.ts"
import { startDump } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)
/** How often the moment is to be met, and for how long that is tried, in ms: three or four in a hundred trials meet it. */
const [HITS, PATIENCE] = [2, 150_000]

/** The area that the tool borrows is there: the questions are being asked. */
const isAsked = (pid: number): boolean => / r-xp 00000000 00:00 0 *$/m.test(readFileSync(`/proc/${pid}/maps`, "latin1"))

test("^C while hundreds of threads answer: all of them are stopped before what they run is taken away", async () => {
  const victim = await start("load", { args: ["400", "1"] })
  const threads = threadsOf(victim.pid).length
  const folder = join(victim.images, "set")
  let amid = 0
  const end = performance.now() + PATIENCE
  for (let trial = 0; amid < HITS && performance.now() < end; trial++) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
    const tool = startDump(victim.pid, folder, "pipe")
    // Without a sleep in between: the questions take a few ms.
    while (tool.exitCode === null && !isAsked(victim.pid)) await Bun.sleep(0)
    await Bun.sleep((trial % 20) / 2)
    tool.kill("SIGINT")
    const status = await tool.exited
    expect([0, 8]).toContain(status)
    if (status !== 0) expect(readdirSync(folder).filter((name) => name.endsWith(".img"))).toEqual([])
    if ((await new Response(tool.stderr ?? "").text()).includes("the calls in thread")) amid++
    await waitFor("the victim to be released", () => statusOf(victim.pid, "TracerPid") === "0")
    expect([alive(victim.pid), threadsOf(victim.pid).length]).toEqual([true, threads])
  }
  expect(amid).toBeGreaterThan(0)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 180_000)
