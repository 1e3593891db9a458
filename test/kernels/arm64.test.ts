/** The build for arm64, which knows no machine code yet: run by qemu's user emulation, with Debian's C library for arm64. */
import { beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { compile } from "../../build/compile.ts"
import { fetchPackages } from "../harness/debian.ts"
import { CACHE, scratch } from "../harness/folders.ts"
import { skip } from "../harness/skip.ts"
import { dump, type Run, run, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"

/** How the program is started; a text says why this machine cannot. */
function emulated(): string[] | string {
  try {
    const only = (name: string) => name.startsWith("qemu-user-static")
    const emulator = fetchPackages("qemu-user", { suite: "bookworm", packages: ["qemu-user-static"], only })
    const root = fetchPackages("arm64", { suite: "bookworm", packages: ["libc6"], architecture: "arm64" })
    const program = join(CACHE, "stasis-arm64")
    mkdirSync(CACHE, { recursive: true })
    compile(program, "bun-linux-arm64")
    return [join(emulator, "usr/bin/qemu-aarch64-static"), "-L", root, program]
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

describe("the build for arm64", () => {
  let command: string[] = []
  let images = ""
  let lack = ""
  beforeAll(async () => {
    const made = emulated()
    if (typeof made === "string") {
      lack = `the build for arm64: ${made}`
      return
    }
    command = made
    const victim = await start("threads")
    images = victim.images
    await dump(stasisTool, victim.pid, images)
  }, 300_000)

  const arm64 = (...words: string[]): Promise<Run> => run([...command, ...words], { seconds: 60 })

  test("tells its version and shows images that another machine wrote", async () => {
    if (command.length === 0) return skip(lack)
    expect(await arm64("--version")).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/^stasis \d/) })
    for (const words of [["show", images], ["show", join(images, "inventory.img")], ["rseq", "-D", images], ["--help"]]) {
      const [here, there] = [await run([...stasisTool.command, ...words]), await arm64(...words)]
      expect({ status: there.status, stdout: there.stdout }).toEqual({ status: 0, stdout: here.stdout })
    }
  }, 300_000)

  test("refuses all else by name", async () => {
    if (command.length === 0) return skip(lack)
    const folder = scratch("arm64")
    for (const words of [["dump", "1", folder], ["restore", images], ["plan", "1"], ["plan", images], ["rseq", "1"], ["check"]])
      expect(await arm64(...words)).toMatchObject({
        status: 3,
        stdout: "",
        stderr: expect.stringMatching(new RegExp(`^Cannot run stasis ${words[0]} on arm64: .*\n.*next.*\n.*code {4}E_UNSUPPORTED\n$`)),
      })
  }, 300_000)
})
