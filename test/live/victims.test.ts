import { afterEach, describe, test } from "bun:test"
import { fetchPeer } from "../crossing/fetch.ts"
import { cleanUp } from "../harness/process.ts"
import { stasisTool, type Tool } from "../harness/tool.ts"
import { dumpAndLeave, dumpAndRestore } from "./round.ts"
import { rows } from "./rows.ts"

/** STASIS_TOOL=criu runs the same table against CRIU: a check of the victims and of this harness. */
function toolUnderTest(): Tool {
  if (process.env.STASIS_TOOL !== "criu") return stasisTool
  const peer = fetchPeer()
  if (typeof peer === "string") throw new Error(peer)
  return peer.criu
}

const tool = toolUnderTest()
const table = tool === stasisTool ? rows : rows.filter(({ notWithCriu }) => notWithCriu === undefined)
afterEach(cleanUp)

describe("dump, kill, restore, ask", () => {
  for (const row of table) test(row.title, () => dumpAndRestore(row, tool, tool), 60_000)
})

describe("dump with --leave-running, ask", () => {
  for (const row of table) test(row.title, () => dumpAndLeave(row, tool), 60_000)
})
