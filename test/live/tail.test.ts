import { afterEach, expect, test } from "bun:test"
import { appendFileSync, readdirSync, readlinkSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, stasisTool } from "../harness/tool.ts"
import { launch, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

const links = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return "" // closed meanwhile
    }
  })

/** Starts tail on a file with one line, and waits until it watches it. */
async function follow(...options: string[]): Promise<{ tail: Victim; log: string }> {
  const tail = launch("tail", ["sh", "-c", `echo one > log; exec setsid tail ${options.join(" ")} log`])
  const log = join(tail.folder, "log")
  await waitFor("tail to watch its file", () => tail.lines().includes("one") && links(tail.pid).includes("anon_inode:inotify"))
  return { tail, log }
}

/** Lines that tail has printed, when the last of them is there. */
async function printed(tail: Victim, last: string): Promise<string[]> {
  await waitFor(`"${last}" from tail`, () => tail.lines().includes(last))
  return tail.lines().filter((line) => !line.startsWith("tail:"))
}

for (const option of ["-f", "-F"])
  test(`tail ${option} goes on following after a dump that leaves it running, and after two restores`, async () => {
    const { tail, log } = await follow(option, "-s", "1000")
    await dump(stasisTool, tail.pid, tail.images, "--leave-running", "--verify")
    appendFileSync(log, "two\n")
    expect(await printed(tail, "two")).toEqual(["one", "two"])
    const words = ["one", "two"]
    for (const word of ["three", "four"]) {
      const images = join(tail.images, word)
      await Bun.$`mkdir ${images}`
      await dump(stasisTool, tail.pid, images)
      await tail.gone()
      await restore(stasisTool, images, "--verify")
      await Bun.sleep(100)
      // Nothing that the restore does is told to it as a change of its file.
      expect(tail.lines()).toEqual(words)
      appendFileSync(log, `${word}\n`)
      words.push(word)
      expect(await printed(tail, word)).toEqual(words)
    }
  }, 60_000)

test("tail -F notices after a restore that its file was rotated", async () => {
  const { tail, log } = await follow("-F", "-s", "1000")
  await dump(stasisTool, tail.pid, tail.images)
  await tail.gone()
  await restore(stasisTool, tail.images, "--verify")
  renameSync(log, `${log}.1`)
  writeFileSync(log, "new\n")
  expect(await printed(tail, "new")).toEqual(["one", "new"])
  appendFileSync(log, "newer\n")
  expect(await printed(tail, "newer")).toEqual(["one", "new", "newer"])
}, 60_000)

test("what tail -f did not see while it was away comes with the next change, if the restore accepts the grown file", async () => {
  const { tail, log } = await follow("-f", "-s", "1000")
  await dump(stasisTool, tail.pid, tail.images)
  await tail.gone()
  appendFileSync(log, "away\n")
  await restore(stasisTool, tail.images, "--file-changed", "accept")
  appendFileSync(log, "two\n")
  expect(await printed(tail, "two")).toEqual(["one", "away", "two"])
}, 60_000)
