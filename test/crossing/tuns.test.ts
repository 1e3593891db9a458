import { afterEach, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { stasisTool } from "../harness/tool.ts"
import { dumpAndRestore } from "../live/round.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
afterEach(cleanUp)

test.skipIf(typeof peer === "string")("the real CRIU restores /dev/net/tun that stasis dumped", async () => {
  if (typeof peer !== "string") await dumpAndRestore({ title: "tuns", source: "tuns" }, stasisTool, peer.criu)
})
