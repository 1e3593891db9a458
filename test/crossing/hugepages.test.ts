import { afterEach, test } from "bun:test"
import { mountHuge, takeHugePages } from "../harness/hugepages.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { stasisTool } from "../harness/tool.ts"
import { dumpAndRestore } from "../live/round.ts"
import { row } from "../live/row.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
afterEach(cleanUp)

test.skipIf(typeof peer === "string")(
  "a file of a mounted hugetlbfs crosses both ways",
  async () => {
    await using pages = await takeHugePages(12)
    using mounted = pages && mountHuge()
    if (!mounted || typeof peer === "string") return
    const one = row("hugepages", "file", mounted.path)
    await dumpAndRestore(one, peer.criu, stasisTool)
    await dumpAndRestore(one, stasisTool, peer.criu)
  },
  60_000,
)
