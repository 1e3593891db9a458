import { afterAll, afterEach, describe, test } from "bun:test"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, stasisTool, type Tool } from "../harness/tool.ts"
import { files } from "../live/file-rows.ts"
import { allGone, treeOf } from "../live/kin.ts"
import { startLayers } from "../live/layers.ts"
import { openMounts } from "../live/mounts.ts"
import { dumpAndRestore, expectWell } from "../live/round.ts"
import { row } from "../live/row.ts"
import { mountTrial, trials } from "../live/trials.ts"
import { fetchPeer } from "./fetch.ts"

const mounts = openMounts()
afterEach(cleanUp)
afterAll(() => mounts[Symbol.dispose]())

const SOURCES = ["files", "ghosts", "locks", "fifos", "inotifies", "fanotifies", "readdir"]
const rows = [...files.filter(({ source }) => SOURCES.includes(source)), row("heap"), row("maps", "{folder}")].filter(
  ({ notWithCriu }) => notWithCriu === undefined,
)

/** CRIU opens what is watched by handles, which overlayfs has none of. */
const isWatching = (source: string): boolean => source.endsWith("notifies")

/** Takes layers.c through a dump and a restore. */
async function throughLayers(what: string, dumper: Tool, restorer: Tool): Promise<void> {
  const victim = await startLayers(mounts, what)
  const members = treeOf(victim.pid)
  await dump(dumper, victim.pid, victim.images, "--file-locks")
  await allGone(members)
  await restore(restorer, victim.images, ...(restorer === stasisTool ? [] : ["--file-locks"]))
  await expectWell(victim, row("layers"))
}

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
else {
  describe("on overlayfs, files of the lower layer", () => {
    for (const what of ["read", "copied", "deleted", "moved"]) {
      test(`${what}: the real CRIU restores what stasis dumped`, () => throughLayers(what, stasisTool, peer.criu))
    }
    // CRIU refuses deleted ones, and shows the copy in a mapping of what was copied up.
    test("read: stasis restores what the real CRIU dumped", () => throughLayers("read", peer.criu, stasisTool))
  })
  for (const trial of trials.filter(({ isAlike }) => !isAlike)) {
    const mounted = mountTrial(mounts, trial)
    if (typeof mounted === "string") {
      skip(`${trial.title}: ${mounted}`)
      continue
    }
    const on = mounted.folder
    describe(`on ${trial.title} the real CRIU restores what stasis dumped`, () => {
      for (const one of rows) test(one.title, () => dumpAndRestore({ ...one, on }, stasisTool, peer.criu), 60_000)
    })
    describe(`on ${trial.title} stasis restores what the real CRIU dumped`, () => {
      for (const one of rows.filter(({ source }) => trial.name !== "overlay" || !isWatching(source)))
        test(one.title, () => dumpAndRestore({ ...one, on }, peer.criu, stasisTool), 60_000)
    })
  }
}
