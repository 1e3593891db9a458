/** The script of README, on the machine and in a container that has busybox alone, with hours of a second. */
import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { discardAll, ROOT, STASIS, scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { type Run, run } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import { answer, ready, startContainer } from "./container.ts"
import { busyboxImage, imageOrSkip } from "./images.ts"

afterEach(cleanUp)
afterAll(discardAll)

const script = (): string => {
  const [, text] = /```sh\n(#!\/bin\/sh\n[\s\S]*?)```/.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? []
  if (!text) throw new Error("README has no script")
  return text
}

/** Where the script runs, and on what. */
interface Place {
  /** The folder of sets as the test sees it, and as the script does. */
  readonly sets: string
  readonly named: string
  readonly pid: number
  /** Runs the script with these words. */
  call(...words: string[]): Promise<Run>
  /** Ends the program. */
  end(): void
  /** What it says when it is asked after the restore. */
  verdict(): Promise<string>
}

/** Saves until the fifth set, ends the program, spoils the newest set, restores. */
async function takeThrough({ sets, named, pid, call, end, verdict }: Place): Promise<void> {
  mkdirSync(sets)
  const seen = new Set<string>()
  const saving = call("save", `${pid}`, named)
  await waitFor("five sets", () => {
    for (const name of readdirSync(sets)) seen.add(name)
    return seen.size >= 5
  })
  end()
  const saved = await saving
  expect(saved).toMatchObject({ status: 0, stdout: "" })
  const left = readdirSync(sets).sort()
  // The last dump found no program any more, and may have made its directory by then.
  const complete = left.filter((name) => readdirSync(join(sets, name)).includes("inventory.img"))
  expect(complete).toHaveLength(3)
  expect(complete.at(-1)).toBe([...seen].sort().findLast((name) => complete.includes(name)) ?? "")
  mkdirSync(join(sets, "9999-torn"))
  const pidFile = join(named, "pid")
  expect(await call("restore", named, pidFile)).toMatchObject({ status: 0, stdout: "", stderr: "" })
  expect(readFileSync(join(sets, "pid"), "utf8").trim()).toBe(`${pid}`)
  expect(await verdict()).toBe("OK")
  for (const name of readdirSync(sets)) rmSync(join(sets, name), { recursive: true })
  expect(await call("restore", named, pidFile)).toMatchObject({ status: 5, stdout: "" })
}

const SETTINGS = { EVERY: "1" }

describe("README's script of hourly checkpoints", () => {
  test("on this machine", async () => {
    const victim = await start("rseqspin", { args: ["{folder}"] })
    expect(isReady(victim)).toBe(true)
    const folder = scratch("script")
    writeFileSync(join(folder, "checkpoints"), script())
    symlinkSync(STASIS, join(folder, "stasis"))
    const env = { ...SETTINGS, PATH: `${folder}:${process.env.PATH}` }
    const sets = join(folder, "sets")
    await takeThrough({
      sets,
      named: sets,
      pid: victim.pid,
      call: (...words) => run(["sh", join(folder, "checkpoints"), ...words], { env, seconds: 60 }),
      end: () => void process.kill(victim.pid, "SIGKILL"),
      verdict: () => {
        victim.ask()
        return victim.answer()
      },
    })
  }, 120_000)

  test("in a container of busybox", async () => {
    const image = imageOrSkip(busyboxImage)
    if (!image) return
    using container = await startContainer(image, { overlay: true, sys: false, nodes: ["null"] }, ["/bin/rseqspin", "/work/ask", "/work"])
    await ready(container)
    const { outside, inside } = container.program()
    writeFileSync(join(container.work, "checkpoints"), script())
    const settings = Object.entries({ ...SETTINGS, PATH: "/bin" }).map(([name, value]) => `${name}=${value}`)
    await takeThrough({
      sets: join(container.work, "sets"),
      named: "/work/sets",
      pid: inside,
      call: (...words) => container.run("/bin/env", "-i", ...settings, "/bin/sh", "/work/checkpoints", ...words),
      end: () => void process.kill(outside, "SIGKILL"),
      verdict: () => answer(container),
    })
  }, 120_000)
})
