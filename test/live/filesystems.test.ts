import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { linkSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, restore, run, stasisTool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import { files } from "./file-rows.ts"
import { startLayers } from "./layers.ts"
import { openMounts } from "./mounts.ts"
import { dumpAndLeave, dumpAndRestore, expectWell } from "./round.ts"
import { type Row, row } from "./row.ts"
import { type Mounted, mountTrial, snapshot, trials } from "./trials.ts"

const mounts = openMounts()
afterEach(cleanUp)
afterAll(() => mounts[Symbol.dispose]())

const named = (source: string, ...whats: string[]): Row[] => whats.map((what) => row(source, what, "{folder}"))
const ghosts = named("ghosts", "files", "exe", "cwd", "unnamed", "renamed", "moved", "folders")

/** What stat(2) and the kernel's other words disagree about. */
const telling = files.filter(
  ({ source, args = [] }) => ["files", "ghosts", "locks", "inotifies", "fanotifies"].includes(source) && args.length > 0,
)

/** All that have files of their own, or run from there. */
const rows: readonly Row[] = [
  ...files.filter(({ args = [] }) => args.includes("{folder}")),
  ...["heap", "maps", "cow", "root"].map((source) => row(source, "{folder}")),
  ...named("sharers", "files", "fs", "offset", "memory"),
  row("unixserver", "{folder}"),
]

/** Those that do not remember device numbers. */
const movable: readonly Row[] = [
  ...ghosts,
  ...["shared", "deleted"].map((what) => row("inotifies", "{folder}", what)),
  row("fifos", "{folder}"),
  ...named("unixnames", "listen"),
]
const OPTIONS = ["--file-locks", "--link-remap"]

/** Takes a victim through a restore on a file system that was mounted again. */
async function mountedAgain(one: Row, { again }: Mounted): Promise<void> {
  const victim = await start(one.source, one)
  expect(isReady(victim)).toBe(true)
  await dump(stasisTool, victim.pid, victim.images, ...OPTIONS)
  await victim.gone()
  again()
  expect(JSON.parse((await must(stasisTool, "plan", "--json", victim.images)).stdout)).toMatchObject({ complaints: [], warnings: [] })
  const { stderr } = await restore(stasisTool, victim.images, "--verify")
  expect(stderr).not.toContain("another file")
  await expectWell(victim, one)
}

/** What is left of a socket is made anew, but nobody's who uses it. */
async function inUse(on: string): Promise<void> {
  const victim = await start("unixnames", { args: ["listen", "{folder}"], on })
  expect(isReady(victim)).toBe(true)
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const nodes = readdirSync(victim.folder).filter((name) => statSync(join(victim.folder, name)).isSocket())
  expect(nodes.length).toBeGreaterThan(0)
  for (const name of nodes) {
    const path = join(victim.folder, name)
    rmSync(path)
    using _server = Bun.listen({ unix: path, socket: { data() {} } })
    const refused = await run([...stasisTool.command, "restore", "-d", "-D", victim.images])
    expect([refused.status, refused.stderr]).toEqual([EXIT_STATUS.E_FILE_CHANGED, expect.stringContaining("another program has a socket")])
    expect(statSync(path).isSocket()).toBe(true)
  }
}

const tried = new Map<string, Mounted>()

for (const trial of trials) {
  const mounted = mountTrial(mounts, trial)
  if (typeof mounted === "string") {
    skip(`${trial.title}: ${mounted}`)
    continue
  }
  tried.set(trial.name, mounted)
  const on = mounted.folder
  describe(`on ${trial.title}`, () => {
    for (const one of trial.isAlike ? telling : rows) test(one.title, () => dumpAndRestore({ ...one, on }, stasisTool, stasisTool), 60_000)
    if (!trial.isAlike)
      for (const one of telling) test(`${one.title}, left running`, () => dumpAndLeave({ ...one, on }, stasisTool), 60_000)
    test("a unix socket that another program has by the restore is not taken from it", () => inUse(on))
    for (const one of movable) test(`${one.title}, mounted again before the restore`, () => mountedAgain({ ...one, on }, mounted))
  })
}

describe("overlayfs, files of the lower layer", () => {
  for (const what of ["read", "copied", "deleted", "moved"])
    for (const options of [[], ["--link-remap"]]) {
      const title = [what, ...options].join(" ")
      test(`${title}, left running`, async () => {
        const victim = await startLayers(mounts, what)
        await dump(stasisTool, victim.pid, victim.images, "--file-locks", ...options, "-R", "--verify")
        await expectWell(victim, row("layers", what))
      })
      test(title, async () => {
        const victim = await startLayers(mounts, what)
        await dump(stasisTool, victim.pid, victim.images, "--file-locks", ...options, "--verify")
        await victim.gone()
        await restore(stasisTool, victim.images, "--verify")
        await expectWell(victim, row("layers", what))
      })
    }

  test("a deleted one that a descriptor leads to is told, by plan too", async () => {
    const victim = await startLayers(mounts, "deleted")
    const words = /fd \d+ is "\S+\/data \(deleted\)", of which overlayfs does not tell whether it has another name/
    expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toMatch(words)
    expect((await dump(stasisTool, victim.pid, victim.images, "-R")).stderr).toMatch(words)
    await expectWell(victim, row("layers"))
  })

  for (const [what, words] of [
    ["shared", "a shared mapping of an older copy of the file"],
    ["longer", "a mapping of an older and longer copy of the file"],
  ] as const)
    test(`${what} mappings of what was copied up since are refused by name, by plan too`, async () => {
      const victim = await startLayers(mounts, what)
      const refused = await run([...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images])
      expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
      expect(refused.stderr).toContain(words)
      expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toContain(words)
      await expectWell(victim, row("layers", what))
    })
})

test("a subvolume of btrfs and its snapshot, whose files have the same numbers", async () => {
  const btrfs = tried.get("btrfs")
  if (!btrfs) return skip("a subvolume and its snapshot: there is no btrfs")
  const root = join(mounts.folder, "btrfs")
  const folders = ["volume/twins", "snapshot/twins"].map((path) => join(root, path))
  const [original = "", copy = ""] = folders
  mkdirSync(original)
  for (const name of ["data", "watched"]) writeFileSync(join(original, name), "a".repeat(4096))
  linkSync(join(original, "watched"), join(original, "second"))
  snapshot(join(root, "volume"), join(root, "snapshot"))
  writeFileSync(join(copy, "data"), "b".repeat(4096))
  const one = { ...row("twins", ...folders), options: ["--file-locks"] }
  await dumpAndLeave(one, stasisTool)
  await dumpAndRestore(one, stasisTool, stasisTool)
  await mountedAgain(one, btrfs)
  // The kernel knows no name of these: nobody has looked one up since the mount.
  btrfs.again()
  await mountedAgain({ ...one, args: [...folders, "unlink"] }, btrfs)
})
