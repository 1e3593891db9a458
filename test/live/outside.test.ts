import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { fetchPeer } from "../crossing/fetch.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, must, restore, run, stasisTool, type Tool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

afterEach(cleanUp)

/** Starts a victim with a socket that is connected to outside. @returns it, and the inode of its own socket */
async function startOutside(kind: string): Promise<{ victim: Victim; own: string }> {
  const victim = await start("unixoutside", { args: [kind, "{folder}"] })
  const own = /OWN (\d+)/.exec(victim.lines()[0] ?? "")?.[1] ?? ""
  expect(own).not.toBe("")
  return { victim, own }
}

async function roundTrip(
  kind: string,
  options: (own: string) => string[],
  more: readonly string[],
  dumper: Tool,
  restorer: Tool,
): Promise<void> {
  const { victim, own } = await startOutside(kind)
  const members = treeOf(victim.pid)
  await dump(dumper, victim.pid, victim.images, ...options(own))
  await allGone(members)
  await restore(restorer, victim.images, ...more)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

const named = () => ["--ext-unix-sk"]
const inode = (own: string) => ["--external", `unix[${own}]`]

describe("peers outside the tree", () => {
  for (const [kind, options, more] of [
    ["dgram", named, ["-x", "--verify"]],
    ["stream", inode, ["-x"]],
    ["pair", inode, ["--verify"]],
  ] as const)
    test(`${kind}: kept when told so`, () => roundTrip(kind, options, more, stasisTool, stasisTool))

  test("refused by name, with the option that helps", async () => {
    for (const [kind, option] of [
      ["dgram", () => "--ext-unix-sk at dump and restore"],
      ["stream", (own: string) => `--external "unix[${own}]"`],
    ] as const) {
      const { victim, own } = await startOutside(kind)
      const told = toldError(await run([...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images]))
      expect(told.code).toBe("E_UNSUPPORTED")
      expect(told.next).toContain(option(own))
      expect(readdirSync(victim.images)).toEqual([])
    }
  })

  test("a restore says that --ext-unix-sk is missing, or the peer", async () => {
    const { victim } = await startOutside("dgram")
    await dump(stasisTool, victim.pid, victim.images, "-x")
    await victim.gone()
    const without = toldError(await run([...stasisTool.command, "restore", "--json", "-d", victim.images]))
    expect(without.next).toContain("--ext-unix-sk")
    const server = victim.members()
    for (const pid of server) process.kill(pid, "SIGKILL")
    await allGone(server)
    const alone = toldError(await run([...stasisTool.command, "restore", "--json", "-d", "-x", victim.images]))
    expect(alone.found).toBe(`nobody is at "${join(victim.folder, "outside")}", which it was connected to`)
    await must(stasisTool, "show", victim.images)
  })
})

const peer = fetchPeer()
describe("peers outside the tree, with the real CRIU", () => {
  for (const [kind, options] of [
    ["dgram", named],
    ["stream", inode],
  ] as const) {
    const both = typeof peer === "string" ? undefined : ([peer.criu, stasisTool] as const)
    for (const turn of [0, 1] as const)
      test.skipIf(!both)(
        `${kind}: ${turn === 0 ? "stasis restores what CRIU dumped" : "CRIU restores what stasis dumped"}`,
        async () => {
          if (both) await roundTrip(kind, options, ["--ext-unix-sk"], both[turn], both[1 - turn] as Tool)
        },
        60_000,
      )
  }
})
