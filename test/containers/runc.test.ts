/** A container of Debian's runc, with the rights, masked paths and cgroup that `runc spec` gives it: dumped and restored from outside. */
import { afterAll, expect, test } from "bun:test"
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { fetchPackages, step } from "../harness/debian.ts"
import { CACHE, discardAll, inside, scratch } from "../harness/folders.ts"
import { statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { must, run, stasisTool } from "../harness/tool.ts"
import { bareImage, compileContainer } from "./images.ts"

afterAll(discardAll)

const WANTED = { suite: "bookworm", packages: ["runc"], only: (file: string) => /^(runc|libseccomp2)_/.test(file) } as const

/** The command of runc, or why this machine cannot have it. It starts itself again, so it needs the machine's own loader. */
function fetchRunc(state: string): string[] | string {
  try {
    const root = fetchPackages("runc", WANTED)
    const command = ["env", `LD_LIBRARY_PATH=${join(root, "usr/lib/x86_64-linux-gnu")}`, join(root, "usr/sbin/runc"), "--root", state]
    step([...command, "--version"], CACHE)
    return command
  } catch (error) {
    return `Cannot fetch runc of Debian 12: ${error instanceof Error ? error.message : error}`
  }
}

/** A bundle whose first program starts one and reaps what it leaves. @returns its folder */
function bundle(runc: readonly string[]): string {
  const folder = scratch("bundle")
  step([...runc, "spec"], folder)
  const path = join(folder, "config.json")
  const config = JSON.parse(readFileSync(path, "utf8"))
  config.process.terminal = false
  config.process.args = ["/bin/container", "--init", "/work/output", "/bin/rseqspin", "/work/ask", "/work"]
  // A right that this machine's root lacks may not be asked for.
  delete config.process.rlimits
  config.root = { path: "rootfs", readonly: false }
  writeFileSync(path, JSON.stringify(config))
  const [layer = ""] = bareImage().layers
  step(["cp", "-al", layer, join(folder, "rootfs")], folder)
  cpSync(compileContainer(), join(folder, "rootfs/bin/container"))
  return folder
}

test("a program in a runc container is inspected, dumped and restored from outside", async () => {
  const state = inside(scratch("runc"), "state")
  const runc = fetchRunc(state)
  if (typeof runc === "string") return skip(runc)
  const name = `stasis-test-${process.pid}`
  const folder = bundle(runc)
  const pidFile = join(state, "pid")
  const started = await run([...runc, "run", "--bundle", folder, "--detach", "--pid-file", pidFile, name])
  try {
    if (started.status !== 0) return skip(`runc does not run here: ${started.stderr}`)
    const init = Number(readFileSync(pidFile, "utf8"))
    const work = join(folder, "rootfs/work")
    const lines = () => (existsSync(join(work, "output")) ? readFileSync(join(work, "output"), "utf8").split("\n") : [])
    await waitFor("READY in the container", () => lines().includes("READY"))
    const program = () => Number(readFileSync(`/proc/${init}/task/${init}/children`, "utf8").split(" ")[0])
    const before = program()
    const rights = statusOf(before, "CapEff")
    await must(stasisTool, "rseq", `${before}`)
    await must(stasisTool, "plan", "-t", `${before}`)
    await must(stasisTool, "dump", "-t", `${before}`, "-D", join(work, "images"), "--verify")
    await waitFor("the end of the program", () => !program())
    const enter = ["nsenter", "--target", `${init}`, "--all", "--"]
    // The container sees no cgroups; the tool, which comes from outside, is in another one.
    await must(
      { name: "stasis", command: [...enter, "/bin/stasis"] },
      "restore",
      "-d",
      "/work/images",
      "--manage-cgroups=ignore",
      "--verify",
    )
    expect(statusOf(program(), "CapEff")).toBe(rights)
    writeFileSync(join(work, "ask"), "")
    await waitFor("the last word", () => lines().includes("OK"))
  } finally {
    await run([...runc, "delete", "--force", name])
  }
}, 120_000)
