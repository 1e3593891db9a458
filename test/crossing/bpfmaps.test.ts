import { afterEach, expect, test } from "bun:test"
import { join } from "node:path"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, stasisTool } from "../harness/tool.ts"
import { startRow } from "../live/round.ts"
import { row } from "../live/row.ts"
import { fetchPeer } from "./fetch.ts"

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
afterEach(cleanUp)

// Debian builds CRIU without BPF: its images are all that can be compared.
test.skipIf(typeof peer === "string")("crit decodes BPF maps and what is in them", async () => {
  if (typeof peer === "string") return
  const victim = await startRow(row("bpfmaps", "entries"))
  if (!victim) return
  await dump(stasisTool, victim.pid, victim.images)
  const decode = async (name: string) =>
    JSON.parse((await must(peer.crit, "decode", "-i", join(victim.images, name))).stdout) as { entries: Record<string, unknown>[] }
  const files = (await decode("files.img")).entries.flatMap(({ bpf }) => (bpf ? [bpf as Record<string, unknown>] : []))
  const names = files.map(({ map_name, map_type, frozen }) => [map_name, map_type, frozen])
  expect(names).toEqual([
    ["a_hash", 1, false],
    ["", 1, false],
    ["an.array", 2, false],
    ["frozen", 2, true],
  ])
  const { entries } = await decode("bpfmap-data.img")
  expect(entries.map(({ map_id, count }) => [map_id, count])).toEqual(files.map(({ map_id }, index) => [map_id, [700, 0, 9, 3][index]]))
})
