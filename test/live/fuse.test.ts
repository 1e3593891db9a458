/** Deleted files on FUSE: libfuse keeps them by names of its own (.fuse_hidden...) until they are closed. The server is bindfs. */
import { afterAll, afterEach, expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statfsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { fetchPackages } from "../harness/debian.ts"
import { discard } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { stasisTool } from "../harness/tool.ts"
import { dumpAndLeave, dumpAndRestore } from "./round.ts"
import { row } from "./row.ts"

const FUSE_MAGIC = 0x65735546
const WANTED = { suite: "bookworm", packages: ["bindfs"], only: (file: string) => /^(bindfs|libfuse3-3|libc6)_/.test(file) }
const folder = mkdtempSync(join(tmpdir(), "stasis-live-fuse-"))
const served = join(folder, "served")
let server: Bun.Subprocess | undefined

afterEach(cleanUp)
afterAll(async () => {
  Bun.spawnSync(["umount", "-l", served], { stderr: "ignore" })
  server?.kill()
  await server?.exited
  discard(folder)
})

/** Mounts it at the first call. @returns false, with a line that says why, where that cannot be */
async function isServed(): Promise<boolean> {
  if (server) return true
  if (!existsSync("/dev/fuse")) return skip("deleted files on FUSE: this machine has no /dev/fuse") ?? false
  const root = fetchPackages("bindfs", WANTED)
  const libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map((part) => join(root, part)).join(":")
  const loader = [join(root, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", libraries]
  const lower = join(folder, "lower")
  for (const path of [lower, served]) mkdirSync(path)
  server = Bun.spawn([...loader, join(root, "usr/bin/bindfs"), "-f", lower, served], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  })
  await waitFor("bindfs", () => statfsSync(served).type === FUSE_MAGIC)
  return true
}

const hidden = row("hidden", "{folder}")

test("a deleted file comes back, though its server shows another name of it, and goes when it is closed", async () => {
  if (!(await isServed())) return
  await dumpAndRestore({ ...hidden, on: served }, stasisTool, stasisTool)
  await waitFor("all names of the server's to go", () =>
    readdirSync(served, { recursive: true }).every((name) => !`${name}`.includes(".fuse_")),
  )
})

test("a dump leaves it as it is", async () => {
  if (!(await isServed())) return
  await dumpAndLeave({ ...hidden, on: served }, stasisTool)
  expect(readdirSync(served)).toBeArray()
})
