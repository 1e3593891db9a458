import { afterEach, expect, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { dump, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

afterEach(cleanUp)

test("errors, half a datagram and numbers of what was sent are told as lost, and stay when the tree runs on", async () => {
  const victim = await start("inets", { args: ["untold"] })
  const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-running")
  for (const lost of [
    "errors, or news of what was sent",
    "a datagram that is still put together",
    "the number of the next SOF_TIMESTAMPING",
  ])
    expect(stderr).toContain(`not kept: ${lost}`)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)

test("a connected socket of UDP is none of TCP with urgent data", async () => {
  const victim = await start("inets", { args: ["udp"] })
  await dump(stasisTool, victim.pid, victim.images, "--tcp-established", "--leave-running")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)
