import { afterEach, expect, test } from "bun:test"
import { readChildren } from "../../src/proc/tasks.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { alive, cleanUp, linkOf, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { openTerminal } from "../harness/terminal.ts"
import { dump, restore, stasisTool, type Tool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
afterEach(cleanUp)

/** A program that draws goes from one window to another, from one tool to the other. */
async function move(dumper: Tool, restorer: Tool): Promise<void> {
  const screen = compileVictim("screen")
  using first = openTerminal(["sh", "-c", `set -m; ${screen}; exec sleep 600`])
  const pid = await waitFor("the program", () => readChildren(first.pid).find((child) => linkOf(`/proc/${child}/exe`) === screen))
  await first.says(/size 24 80/)
  const [images, mode] = [scratch("window"), first.mode()]
  await dump(dumper, pid, images, "-j")
  await waitFor("its end", () => !alive(pid) && linkOf(`/proc/${pid}/exe`) === undefined)

  const command = [...restorer.command, "restore", "-j", "-D", images].join(" ")
  using second = openTerminal(["sh", "-c", `set -m; ${command}; echo "status $?"; exec sleep 600`])
  await waitFor("its return", () => linkOf(`/proc/${pid}/exe`) === screen && statusOf(pid, "TracerPid") === "0").catch(() => {
    throw new Error(second.text())
  })
  expect(second.mode()).toEqual(mode!)
  second.type("x")
  await second.says(/key 120/)
  second.type("q")
  await second.says(/bye\r\nstatus 0/)
}

test.skipIf(typeof peer === "string")("the real CRIU restores a shell's job that stasis dumped, in another window", async () => {
  if (typeof peer !== "string") await move(stasisTool, peer.criu)
})
test.skipIf(typeof peer === "string")("stasis restores a shell's job that the real CRIU dumped, in another window", async () => {
  if (typeof peer !== "string") await move(peer.criu, stasisTool)
})

/** What is queued in a terminal goes from one tool to the other. */
async function moveQueued(kind: string, dumper: Tool, restorer: Tool): Promise<void> {
  const victim = await start("ptys", { args: [kind] })
  if (!isReady(victim)) return
  await dump(dumper, victim.pid, victim.images)
  await victim.gone()
  await restore(restorer, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

for (const kind of ["input", "echoed"])
  test.skipIf(typeof peer === "string")(`stasis puts back what was queued in a terminal that the real CRIU dumped: ${kind}`, async () => {
    if (typeof peer !== "string") await moveQueued(kind, peer.criu, stasisTool)
  })
test.skipIf(typeof peer === "string")("the real CRIU puts back what was queued in a terminal that stasis dumped", async () => {
  if (typeof peer !== "string") await moveQueued("shown", stasisTool, peer.criu)
})
