/**
 * Deleted files on FUSE. libfuse keeps them by names of its own (.fuse_hidden...) until they are closed: bindfs. fuse-overlayfs counts the
 * name that it has removed.
 */
import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statfsSync, writeFileSync } from "node:fs"
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

interface Server {
  /** Of Debian; its program has the same name. */
  readonly name: "bindfs" | "fuse-overlayfs"
  /** Its arguments. @param place a folder with the folders that it takes */
  readonly words: (place: string) => readonly string[]
}

const servers: readonly Server[] = [
  { name: "bindfs", words: (place) => [join(place, "lower")] },
  {
    name: "fuse-overlayfs",
    words: (place) => ["-o", ["lowerdir=lower", "upperdir=upper", "workdir=work"].map((word) => word.replace("=", `=${place}/`)).join(",")],
  },
]

const folder = mkdtempSync(join(tmpdir(), "stasis-live-fuse-"))
const served = (server: Server): string => join(folder, server.name, "served")
const running = new Map<Server, Bun.Subprocess>()

afterEach(cleanUp)
afterAll(async () => {
  for (const [server, child] of running) {
    Bun.spawnSync(["umount", "-l", served(server)], { stderr: "ignore" })
    child.kill()
    await child.exited
  }
  discard(folder)
})

/** Mounts it at the first call; its lower folder has a file "gone". @returns false, with a line that says why, where that cannot be */
async function isServed(server: Server): Promise<boolean> {
  if (running.has(server)) return true
  if (!existsSync("/dev/fuse")) return skip("deleted files on FUSE: this machine has no /dev/fuse") ?? false
  const only = (file: string): boolean => new RegExp(`^(${server.name}|libfuse3-3|libc6)_`).test(file)
  const root = fetchPackages(server.name, { suite: "bookworm", packages: [server.name], only })
  const libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map((part) => join(root, part)).join(":")
  const loader = [join(root, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", libraries]
  const place = join(folder, server.name)
  for (const name of ["lower", "upper", "work", "served"]) mkdirSync(join(place, name), { recursive: true })
  const words = [...loader, join(root, "usr/bin", server.name), "-f", ...server.words(place), served(server)]
  running.set(server, Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr: "ignore" }))
  await waitFor(server.name, () => statfsSync(served(server)).type === FUSE_MAGIC)
  return true
}

/** No name of a deleted file, its own or its server's. */
const awaitNone = (on: string) =>
  waitFor("all names of deleted files to go", () =>
    readdirSync(on, { recursive: true }).every((name) => !/\.fuse_|\.stasis-|(^|\/)gone$/.test(`${name}`)),
  )

const hidden = row("hidden", "{folder}")

describe.each(servers)("$name", (server) => {
  test("a deleted file comes back, though its server shows another name of it, and goes when it is closed", async () => {
    if (!(await isServed(server))) return
    await dumpAndRestore({ ...hidden, on: served(server) }, stasisTool, stasisTool)
    await awaitNone(served(server))
  })

  test("a dump leaves it as it is", async () => {
    if (!(await isServed(server))) return
    await dumpAndLeave({ ...hidden, on: served(server) }, stasisTool)
    expect(readdirSync(served(server))).toBeArray()
  })
})

test("a deleted file of a lower layer comes back, and its layer's stays deleted: fuse-overlayfs", async () => {
  const server = servers[1] as Server
  if (!(await isServed(server))) return
  const layered = join(served(server), "layered")
  // Laid below the mount once it stands: its server has not looked there yet.
  mkdirSync(join(folder, server.name, "lower", "layered"))
  writeFileSync(join(folder, server.name, "lower", "layered", "gone"), "content", { mode: 0o640 })
  await dumpAndRestore({ ...row("hidden", layered, "lower"), on: served(server) }, stasisTool, stasisTool)
  await awaitNone(layered)
})
