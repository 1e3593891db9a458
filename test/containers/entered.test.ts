/** A dump from outside a container: its files beside the images, and what becomes of the tool inside without the one that was called. */
import { afterAll, afterEach, expect, test } from "bun:test"
import { existsSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { discardAll, inside, scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { run, startDump, stasisTool, toldError, must as tool } from "../harness/tool.ts"
import { answer, ready, startContainer } from "./container.ts"
import { bareImage } from "./images.ts"

afterEach(cleanUp)
afterAll(discardAll)

const SPIN = ["/bin/rseqspin", "/work/ask", "/work"]

test("a log and a pidfile beside images whose directory is made by the dump", async () => {
  using container = await startContainer(bareImage(), { overlay: true }, SPIN)
  await ready(container)
  const { outside } = container.program()
  const images = inside(scratch("made"), "images")
  await tool(stasisTool, "dump", "-R", "-t", `${outside}`, "-D", images, "-o", "log", "--pidfile", "pid")
  for (const name of ["log", "pid", "inventory.img"]) expect(existsSync(join(images, name))).toBe(true)
  expect(await answer(container)).toBe("OK")
})

test("a tool that is killed before the one inside has begun takes that along: nothing is dumped, nobody killed", async () => {
  using container = await startContainer(bareImage(), { overlay: true }, SPIN)
  await ready(container)
  const { outside } = container.program()
  const images = join(scratch("orphan"), "images")
  // As the one inside finds it: called by a process that is not its parent.
  const orphan = ["nsenter", "-t", `${container.pid}`, "-p", "env", "STASIS_ENTERED=1", ...stasisTool.command]
  const answered = await run([...orphan, "dump", "-t", `${outside}`, "-D", images, "--json"])
  expect([answered.status, toldError(answered).code]).toEqual([8, "E_INTERRUPTED"])
  expect([existsSync(images), await answer(container)]).toEqual([false, "OK"])
})

test("the tool outside can make threads while the one inside works: its own children are in its own namespace again", async () => {
  using container = await startContainer(bareImage(), { overlay: true }, SPIN)
  await ready(container)
  const { outside } = container.program()
  const child = startDump(outside, join(scratch("threads"), "images"), "ignore")
  const ns = (name: string): string => readlinkSync(`/proc/${child.pid}/ns/${name}`)
  await waitFor("the tool inside", () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8") !== "")
  // Other threads see the child as soon as it is there.
  await waitFor("the tool's own namespace", () => ns("pid_for_children") === ns("pid"), 1)
  expect([await child.exited, await answer(container)]).toEqual([0, "OK"])
})
