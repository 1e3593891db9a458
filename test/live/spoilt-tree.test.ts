import { afterEach, describe, expect, test } from "bun:test"
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { pstree_entry } from "../../proto/gen/pstree_pb.ts"
import { openImages } from "../../src/image/set.ts"
import { encodeImage } from "../../src/image/write.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { allGone, survivors } from "./kin.ts"
import { plan } from "./plans.ts"

afterEach(cleanUp)
const tryRestore = (images: string) => run([...stasisTool.command, "restore", "--json", "-d", "-D", images])

describe("restore refuses a tree that is none, and nothing of it comes to life", () => {
  const nobody = 4_000_000
  /** What is done to the entries of leader-alive: the root, its child that leads a session, that one's two children and a grandchild. */
  const spoils: readonly (readonly [string, (entries: pstree_entry[]) => readonly pstree_entry[], string])[] = [
    [
      "two processes are each other's ancestors",
      ([a, b, c, ...rest]) => [a!, { ...b!, ppid: c!.pid }, { ...c!, ppid: b!.pid }, ...rest],
      "descends from itself",
    ],
    ["a PID stands twice", ([a, b, c, ...rest]) => [a!, b!, { ...c!, pid: b!.pid, threads: b!.threads }, ...rest], "has too"],
    ["a parent is not there", ([a, b, ...rest]) => [a!, { ...b!, ppid: nobody }, ...rest], `${nobody}, which is not in the tree`],
    ["there are two roots", ([a, b, ...rest]) => [a!, { ...b!, ppid: 0 }, ...rest], "a tree has one root"],
    ["there is no root", ([a, ...rest]) => [{ ...a!, ppid: rest[0]!.pid }, ...rest], "descends from itself"],
    ["a process has no thread", ([a, b, ...rest]) => [a!, { ...b!, threads: [] }, ...rest], "missing"],
    ["a group has members in two sessions", ([a, b, ...rest]) => [a!, { ...b!, pgid: a!.pid }, ...rest], "group"],
  ]

  test("each tree, then the good one", async () => {
    const victim = await start("families", { args: ["leader-alive"] })
    const members = victim.members()
    await dump(stasisTool, victim.pid, victim.images)
    await allGone(members)
    const path = join(victim.images, "pstree.img")
    const good = readFileSync(path)
    const entries = openImages(victim.images).all("pstree")
    expect(entries.map(({ pid }) => pid).sort()).toEqual(members.sort())
    for (const [title, spoil, words] of spoils) {
      writeFileSync(path, encodeImage("pstree", [...spoil(entries)]))
      const planned = await plan(victim.images)
      const result = await tryRestore(victim.images)
      expect(`${title}: ${planned.status}`).toBe(`${title}: ${result.status}`)
      const told = toldError(result)
      expect(`${title}: ${told.code}`).toMatch(/E_IMAGE_CORRUPT|E_IMAGE_UNSUPPORTED/)
      expect(told.found).toContain(words)
      expect(survivors(members)).toEqual([])
    }
    writeFileSync(path, good)
    const core = join(victim.images, `core-${entries.at(-1)?.pid}.img`)
    renameSync(core, `${core}.away`)
    expect(toldError(await tryRestore(victim.images))).toMatchObject({ code: "E_IMAGE_MISSING" })
    expect(survivors(members)).toEqual([])
    renameSync(`${core}.away`, core)
    await restore(stasisTool, victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
})
