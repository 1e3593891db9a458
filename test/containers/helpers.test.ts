/**
 * No command of the tool runs another program, writes anything but images and the files that it was told to write, or opens a socket of the
 * network. A container whose only writable file system is a tmpfs; fanotify tells what is executed and written there.
 */
import { afterAll, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { compile } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { CACHE, discardAll, scratch } from "../harness/folders.ts"
import { skip } from "../harness/skip.ts"
import { must as mustTool, stasisTool } from "../harness/tool.ts"
import { answer, type Container, must, ready, startContainer } from "./container.ts"
import { bareImage } from "./images.ts"

afterAll(discardAll)

/** What was executed and written while something was done. */
interface Seen {
  readonly executed: readonly string[]
  readonly written: readonly string[]
}

const watcher = (): string => compile(join(import.meta.dir, "watch.c"), join(CACHE, "watch"), ["-O1", "-Wall", "-Wextra", "-static"])

/** Watches the tmpfs and the root of a container while `act` runs. @returns undefined where this kernel cannot, which is printed */
async function watched(container: Container, act: () => Promise<void>): Promise<Seen | undefined> {
  const output = join(scratch("watch"), "output")
  const child = Bun.spawn([watcher(), container.work, `/proc/${container.pid}/root`], { stdin: "pipe", stdout: Bun.file(output) })
  const text = () => readFileSync(output, "utf8")
  try {
    await waitFor("the watcher", () => /^(READY|SKIP.*)$/m.test(text()))
    if (text().startsWith("SKIP")) {
      return skip(text())
    }
    await act()
    child.stdin.end()
    await waitFor("the end of the watcher", () => text().includes("DONE\n"))
    const paths = (kinds: RegExp): string[] => [...new Set([...text().matchAll(kinds)].map(([, path = ""]) => path))].sort()
    return { executed: paths(/^exec \d+ (.*)$/gm), written: paths(/^(?:write|made) \d+ (.*)$/gm) }
  } finally {
    child.kill()
  }
}

const SHAPE = { overlay: true, readOnly: "64m" } as const
const LOADER = "/lib64/ld-linux-x86-64.so.2"

/** Every command, with all that writes. @param tool its words */
async function everyCommand(container: Container, ...tool: string[]): Promise<void> {
  const say = (...words: string[]) => must(container, ...tool, ...words)
  const { inside } = container.program()
  await container.run(...tool, "check", "--all")
  await say("plan", `${inside}`)
  await say("rseq", `${inside}`)
  await say("rseq", `${inside}`, "--sample", "3")
  await say("dump", `${inside}`, "/work/images", "-R", "-o", "log", "-v4", "--pidfile", "pid", "-W", "/work/named", "--verify")
  await say("dump", `${inside}`, "/work/images")
  await say("show", "/work/images")
  await say("rseq", "-D", "/work/images")
  await say("plan", "/work/images", "--syscalls")
  await say("restore", "-d", "/work/images", "-o", "log", "-v4", "--pidfile", "pid", "-W", "/work/named")
}

async function spinning(): Promise<Container> {
  const container = await startContainer(bareImage(), SHAPE, ["/bin/rseqspin", "/work/ask", "/work"])
  await ready(container)
  await Bun.$`mkdir ${join(container.work, "named")}`.quiet()
  return container
}

test("nothing is executed but stasis, and nothing is written but images and what was named", async () => {
  using container = await spinning()
  const seen = await watched(container, () => everyCommand(container, "/bin/stasis"))
  if (!seen) return
  expect(seen.executed).toEqual(["/bin/stasis", LOADER])
  const strange = seen.written.filter((path) => !/^\/work\/(images|named)(\/|$)/.test(path))
  expect(strange).toEqual([])
  for (const name of ["inventory.img", "pages-1.img"]) expect(seen.written).toContain(`/work/images/${name}`)
  for (const name of ["log", "pid", "stats-dump", "stats-restore"]) expect(seen.written).toContain(`/work/named/${name}`)
  expect(await answer(container)).toBe("OK")
}, 60_000)

test("a dump from outside executes and writes nothing inside", async () => {
  using container = await spinning()
  const images = join(scratch("helpers"), "images")
  const seen = await watched(
    container,
    async () => void (await mustTool(stasisTool, "dump", `${container.program().outside}`, images, "-R")),
  )
  if (!seen) return
  expect(seen).toEqual({ executed: [], written: [] })
  expect(await answer(container)).toBe("OK")
})

test("the watch itself sees a program that is run, and what it writes", async () => {
  using container = await spinning()
  const seen = await watched(container, async () => {
    await container.run("/bin/confine", "/bin/forest")
    expect(await answer(container)).toBe("OK")
  })
  if (!seen) return
  expect(seen.executed).toEqual(["/bin/confine", "/bin/forest", LOADER])
  expect(seen.written).toContain("/work/output")
})

test("no socket but unix and netlink ones is made: another one would kill the tool", async () => {
  using container = await spinning()
  expect((await container.run("/bin/confine", "--offline")).status).toBeGreaterThan(128)
  await everyCommand(container, "/bin/confine", "--offline", "/bin/stasis")
  expect(await answer(container)).toBe("OK")
}, 60_000)
