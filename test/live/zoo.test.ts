import { afterEach, expect, test } from "bun:test"
import { fetchPeer } from "../crossing/fetch.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { stasisTool } from "../harness/tool.ts"
import { lostLines, scoreZoo, type ZooScore } from "./zoo.ts"

afterEach(cleanUp)

const told = (name: string, { set, shown, lost }: ZooScore): string =>
  [`${name}: kept ${shown - lost.length} of ${shown} lines, ${set} attributes were set`, ...lost.map((line) => `  lost ${line}`)].join("\n")

test("lostLines: what changed and what is gone", () => {
  expect(lostLines(["process.a 1", "process.b 2", "thread1.c 3 4", "set x"], ["process.a 1", "process.b 3"])).toEqual([
    "process.b: 2 -> 3",
    "thread1.c: 3 4 -> gone",
  ])
})

test("the zoo: every attribute that the kernel shows is what it was", async () => {
  const score = await scoreZoo(stasisTool)
  console.log(told("stasis", score))
  expect(score.lost).toEqual([])
  expect(score.set).toBeGreaterThanOrEqual(60)
}, 60_000)

test("the zoo of a tree: three processes, what one has another one lacks", async () => {
  const score = await scoreZoo(stasisTool, [], { args: ["+tree"] })
  console.log(told("stasis, a tree", score))
  expect(score.lost).toEqual([])
  expect(score.set).toBeGreaterThanOrEqual(120)
}, 60_000)

test("the zoo with CRIU, for comparison", async () => {
  const peer = fetchPeer()
  if (typeof peer === "string") return skip(peer)
  for (const args of [[], ["+tree"]]) {
    const name = `CRIU ${peer.version}${args.length > 0 ? ", a tree" : ""}`
    try {
      console.log(told(name, await scoreZoo(peer.criu, [], { args })))
    } catch (error) {
      console.log(`${name}: ${error instanceof Error ? error.message : error}`)
    }
  }
}, 90_000)
