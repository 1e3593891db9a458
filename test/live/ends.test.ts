import { afterEach, describe, expect, test } from "bun:test"
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inside } from "../harness/folders.ts"
import { alive, cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { dumped, expectWell, imagesIn, scriptAt, tool } from "./scripted.ts"
import { mountTmpfs } from "./tmpfs.ts"

afterEach(cleanUp)

describe("what comes after the last point at which a command can fail", () => {
  test("restore: statistics, post-resume and --status-fd warn; the tree runs and the pidfile is there", async () => {
    const victim = await dumped()
    mkdirSync(join(victim.images, "stats-restore"))
    const script = scriptAt(victim, "post-resume", "exit 3")
    const pidfile = join(victim.folder, "pid")
    const result = await tool("restore", "-d", "-D", victim.images, "--pidfile", pidfile, "--action-script", script, "--status-fd", "0")
    expect(result.status).toBe(0)
    for (const told of [
      "Cannot write",
      "at post-resume: it ended with status 3",
      "Cannot write to descriptor 0",
      "It is not open for writing",
    ])
      expect(result.stderr).toContain(told)
    expect(readFileSync(pidfile, "utf8")).toBe(`${victim.pid}`)
    await expectWell(victim)
  })

  test("restore from a read-only directory", async () => {
    using mounted = mountTmpfs("size=64m")
    if (!mounted) return skip("mounting is not allowed here")
    const victim = await dumped()
    cpSync(victim.images, mounted.path, { recursive: true })
    expect(Bun.spawnSync(["mount", "-o", "remount,ro", mounted.path]).exitCode).toBe(0)
    const result = await tool("restore", "-d", "-D", mounted.path)
    expect(result.status).toBe(0)
    expect(result.stderr).toContain("its file system is read-only")
    await expectWell(victim)
  })

  test("dump: statistics that cannot be written warn", async () => {
    const victim = await start("threads")
    mkdirSync(join(victim.images, "stats-dump"))
    const result = await tool("dump", "-t", `${victim.pid}`, "-D", victim.images)
    expect(result.status).toBe(0)
    expect(result.stderr).toContain("warning: dump: Cannot write")
    await victim.gone()
    mkdirSync(join(victim.images, "stats-restore"))
    const told = await tool("restore", "-d", "--json", "-D", victim.images)
    expect(told.status).toBe(0)
    const lines = told.stderr.trimEnd().split("\n")
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { log: { level: "warning", tag: "restore", text: expect.stringContaining("Cannot write") } },
    ])
    await expectWell(victim)
  })

  test("dump: a post-dump script that fails lets the tree go on, and the set stays", async () => {
    const victim = await start("threads")
    const script = scriptAt(victim, "post-dump", "exit 3")
    const result = await tool("dump", "-t", `${victim.pid}`, "-D", victim.images, "--json", "--action-script", script)
    expect(toldError(result).code).toBe("E_SCRIPT")
    expect((await tool("show", victim.images)).status).toBe(0)
    await expectWell(victim)
  })
})

describe("what could not be written in the end is refused at the start", () => {
  for (const [what, code, ...options] of [
    ["work directory", "E_DIRECTORY", "-W", "/nonexistent"],
    ["pidfile", "E_IO", "--pidfile", "/nonexistent/pid"],
  ] as const) {
    test(`dump: a ${what} that is not there; no image is left and the tree goes on`, async () => {
      const victim = await start("threads")
      const folder = inside(victim.images, "set")
      const result = await tool("dump", "-t", `${victim.pid}`, "-D", folder, "--json", ...options)
      expect(toldError(result).code).toBe(code)
      expect(imagesIn(folder)).toEqual([])
      await expectWell(victim)
    })

    test(`restore: a ${what} that is not there; nothing is created`, async () => {
      const victim = await dumped()
      const result = await tool("restore", "-d", "-D", victim.images, "--json", ...options)
      expect(toldError(result).code).toBe(code)
      expect(alive(victim.pid)).toBe(false)
    })
  }

  test("a pidfile is not made by the trial, nor an older one emptied", async () => {
    const victim = await dumped()
    const [fresh, older] = [join(victim.folder, "fresh"), join(victim.folder, "older")]
    writeFileSync(older, "1")
    const script = scriptAt(
      victim,
      "pre-restore",
      `[ ! -e ${fresh} ] && [ "$(cat ${older})" = 1 ] && exit 42
exit 1`,
    )
    for (const pidfile of [fresh, older]) {
      const result = await tool("restore", "-d", "-D", victim.images, "--pidfile", pidfile, "--action-script", script)
      expect(result.stderr).toContain("it ended with status 42")
    }
    expect(existsSync(fresh)).toBe(false)
    expect(readFileSync(older, "utf8")).toBe("1")
  })
})
