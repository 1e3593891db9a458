import { afterEach, expect, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { stasisTool, type Tool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { goAway, timeOf } from "../live/away.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
afterEach(cleanUp)

/** Twice: the first time from the machine's clocks, then from those that the first restore made. */
async function goTwice(dumper: Tool, restorer: Tool): Promise<void> {
  const victim = await start("ages")
  await goAway(victim, "first", dumper, restorer)
  expect(timeOf(victim.pid)).not.toBe(timeOf(process.pid))
  await goAway(victim, "second", dumper, restorer)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

test.skipIf(typeof peer === "string")(
  "the real CRIU restores the clocks that stasis dumped",
  async () => {
    if (typeof peer !== "string") await goTwice(stasisTool, peer.criu)
  },
  60_000,
)
test.skipIf(typeof peer === "string")(
  "stasis restores the clocks that the real CRIU dumped",
  async () => {
    if (typeof peer !== "string") await goTwice(peer.criu, stasisTool)
  },
  60_000,
)
