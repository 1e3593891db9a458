import { afterEach, describe, expect, test } from "bun:test"
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { allocate, attempt, pathArgument } from "../../ffi/syscall.ts"
import { type ErrorCode, EXIT_STATUS } from "../../src/base/errors.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp, linkOf, stateOf, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, type Run, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { mountTmpfs } from "./tmpfs.ts"

afterEach(cleanUp)

/** Starts ghosts.c in a folder of its own, or in another one. */
const startGhosts = (what: string, folder = "{folder}"): Promise<Victim> => start("ghosts", { args: [what, folder] })

/** A program with a deleted file of 3,000,000 bytes. */
async function startLarge(): Promise<Victim> {
  const inside = "exec 3<>file; rm file; head -c 3000000 /dev/zero >&3; echo READY; exec sleep 600"
  const victim = launch("ghost", ["setsid", "sh", "-c", inside])
  await waitFor("the file", () => victim.lines().includes("READY") && statusOf(victim.pid, "Name") === "sleep")
  return victim
}

async function expectWell(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

function expectFailed(result: Run, code: ErrorCode, words: string): void {
  const told = toldError(result)
  expect([told.code, result.status]).toEqual([code, EXIT_STATUS[code]])
  expect(told.found).toContain(words)
}

const tryRestore = (victim: Victim): Promise<Run> => run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images])

describe("deleted files", () => {
  test("that somebody outside has open too are told, by plan too", async () => {
    const victim = await startGhosts("files")
    const link = readdirSync(`/proc/${victim.pid}/fd`)
      .map((fd) => `/proc/${victim.pid}/fd/${fd}`)
      .find((path) => linkOf(path)?.endsWith("large (deleted)"))
    const outsider = openSync(link ?? "", "r")
    const words = `large (deleted)", which task ${process.pid} has open too: a restored program has a copy of its own`
    expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toContain(words)
    expect((await dump(stasisTool, victim.pid, victim.images, "-R")).stderr).toContain(words)
    closeSync(outsider)
    expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).not.toContain("has open too")
    await expectWell(victim)
  })

  test("above the limit are refused before anything is touched, by the option that raises it", async () => {
    const victim = await startGhosts("files")
    const refused = await run([...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images, "--ghost-limit", "20K"])
    expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    expect(refused.stderr).toMatch(/large", a deleted file of 4\d{4} bytes; the limit is 20480/)
    expect(refused.stderr).toContain("Give --ghost-limit 1M")
    const plan = await run([...stasisTool.command, "plan", `${victim.pid}`, "--ghost-limit", "20K"])
    expect([plan.status, plan.stdout.includes("Give --ghost-limit 1M")]).toEqual([EXIT_STATUS.E_UNSUPPORTED, true])
    expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).status).toBe(0)
    expect(readdirSync(victim.images)).toEqual([])
    await expectWell(victim)
  })

  test("are stored once, without their holes; show and plan know them", async () => {
    const victim = await startGhosts("files")
    await dump(stasisTool, victim.pid, victim.images)
    const ghosts = readdirSync(victim.images).filter((name) => name.startsWith("ghost-file-"))
    expect(ghosts).toHaveLength(6)
    const shown = (await must(stasisTool, "show", victim.images)).stdout
    expect(shown).toMatch(/large {2}\(deleted, kept in ghost-file-1\.img\)/)
    await victim.gone()
    const plan = (await must(stasisTool, "plan", victim.images, "--syscalls")).stdout
    expect(plan).toContain('large", which is deleted')
    // Nothing was made for the plan.
    expect(readdirSync(victim.folder)).toEqual(["taken"])
  })

  const spoils: readonly (readonly [string, (image: string) => void, ErrorCode, string])[] = [
    ["is missing", (image) => rmSync(image), "E_IMAGE_MISSING", "ghost-file-1.img"],
    ["is cut", (image) => truncateSync(image, 100), "E_IMAGE_CORRUPT", "ghost-file-1.img"],
  ]
  for (const [title, spoil, code, words] of spoils)
    test(`whose image ${title} fail the restore, with nothing made`, async () => {
      const victim = await startGhosts("files")
      await dump(stasisTool, victim.pid, victim.images)
      await victim.gone()
      spoil(join(victim.images, "ghost-file-1.img"))
      const result = await tryRestore(victim)
      const told = toldError(result)
      expect([told.code, result.status]).toEqual([code, EXIT_STATUS[code]])
      expect(result.stderr).toContain(words)
      expect(readdirSync(victim.folder)).toEqual(["taken"])
      expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
    })

  test("are kept up to a quarter of what is free where the images go, when no limit is named", async () => {
    using small = mountTmpfs("size=8m")
    using large = mountTmpfs("size=32m")
    if (!small || !large) return skip("a small disk: mount is not allowed here")
    const victim = await startLarge()
    const tryDump = (path: string) => run([...stasisTool.command, "dump", "--json", "-R", "-t", `${victim.pid}`, "-D", path])
    const told = toldError(await tryDump(small.path))
    expect([told.code, told.next]).toEqual(["E_UNSUPPORTED", expect.stringContaining("--ghost-limit 3M")])
    expect(told.found).toMatch(/a deleted file of 30\d{5} bytes; the limit is (20|19)\d{5}$/)
    expect((await tryDump(large.path)).status).toBe(0)
    expect(statSync(join(large.path, "ghost-file-1.img")).size).toBeGreaterThan(3_000_000)
  })

  test("that are copied, not read, come back byte for byte", async () => {
    const inside = "exec 3<>file; rm file; head -c 150000000 /dev/urandom >&3; echo READY; exec sleep 600"
    const victim = launch("ghost", ["setsid", "sh", "-c", inside])
    await waitFor("the file", () => victim.lines().includes("READY") && statusOf(victim.pid, "Name") === "sleep")
    const sum = () => new Bun.CryptoHasher("sha256").update(readFileSync(`/proc/${victim.pid}/fd/3`)).digest("hex")
    const before = sum()
    for (const words of [
      ["dump", "-t", `${victim.pid}`, "-D", victim.images, "--ghost-limit", "1G"],
      ["plan", victim.images],
      ["restore", "-D", victim.images, "-d", "--verify"],
    ]) {
      const { status, stderr } = await run([...stasisTool.command, ...words])
      expect([words[0], status, stderr]).toEqual([words[0], 0, ""])
      if (words[0] === "dump") await victim.gone()
    }
    expect(sum()).toBe(before)
    const shown = (await must(stasisTool, "show", join(victim.images, "ghost-file-1.img"))).stdout
    expect(shown).toMatch(/ghost-file, \d+ entries, 1500\d{5} bytes[\s\S]* payload \d+ bytes from byte \d+ of the file/)
  }, 60_000)

  test("lose their extended attributes, which is told", async () => {
    const inside = "exec 3<>file; echo READY; while [ -e file ]; do sleep 0.1; done; exec sleep 600"
    const victim = launch("ghost", ["setsid", "sh", "-c", inside])
    await waitFor("the file", () => victim.lines().includes("READY"))
    const { address, bytes } = allocate(4096)
    bytes.set(Buffer.from("user.kind\0"))
    const path = join(victim.folder, "file")
    if (attempt("setxattr", pathArgument(path), address, address, 4, 0) < 0) return skip("a file system with extended attributes")
    rmSync(path)
    await waitFor("its end", () => statusOf(victim.pid, "Name") === "sleep" && victim.members().length === 1)
    const { stderr } = await dump(stasisTool, victim.pid, victim.images, "-R")
    expect(stderr.match(/loses its extended attributes: user.kind/g)).toHaveLength(1)
  })

  test("that the disk of the images has no room for fail the dump, and the program goes on", async () => {
    using mounted = mountTmpfs("size=2m")
    if (!mounted) return skip("a full disk: mount is not allowed here")
    const victim = await startLarge()
    const images = ["-t", `${victim.pid}`, "-D", mounted.path]
    expectFailed(await run([...stasisTool.command, "dump", "--json", ...images, "--ghost-limit", "4M"]), "E_DISK_FULL", "full")
    expect(readdirSync(mounted.path)).toEqual([])
    expect([statusOf(victim.pid, "TracerPid"), stateOf(victim.pid)]).toEqual(["0", "S"])
  })

  test("that their disk has no room for, or may not be written, fail the restore; later it succeeds", async () => {
    using mounted = mountTmpfs("size=1m")
    if (!mounted) return skip("a full disk: mount is not allowed here")
    const victim = await startGhosts("files", mounted.path)
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    const filler = join(mounted.path, "filler")
    expect(Bun.spawnSync(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"]).exitCode).not.toBe(0)
    expectFailed(await tryRestore(victim), "E_DISK_FULL", "ENOSPC")
    expect(readdirSync(mounted.path).sort()).toEqual(["filler", "taken"])
    rmSync(filler)
    Bun.spawnSync(["mount", "-o", "remount,ro", mounted.path])
    expectFailed(await tryRestore(victim), "E_FILE_CHANGED", "is on a read-only mount now")
    Bun.spawnSync(["mount", "-o", "remount,rw", mounted.path])
    expect(readdirSync(mounted.path)).toEqual(["taken"])
    await restore(stasisTool, victim.images, "--verify")
    await expectWell(victim)
  })
})

test("a file that never had a name can be given one after two restores as after one", async () => {
  const victim = await startGhosts("unnamed")
  for (let round = 0; round < 2; round++) {
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await restore(stasisTool, victim.images, "--verify")
  }
  await expectWell(victim)
})

describe("a file that lost one of its names and has another one elsewhere", () => {
  const strace = Bun.which("strace")

  test("is refused without --link-remap, which names the option, and keeps a new name until it is restored", async () => {
    const victim = await startGhosts("moved")
    const refused = await run([...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images])
    expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    expect(refused.stderr).toContain("Give --link-remap")
    expect(readdirSync(victim.folder)).toEqual(["elsewhere"])
    for (let round = 0; round < 2; round++) await dump(stasisTool, victim.pid, victim.images, "--link-remap", "--leave-running")
    const names = readdirSync(victim.folder).filter((name) => name.startsWith("link_remap."))
    expect(names).toHaveLength(2)
    expect((await must(stasisTool, "show", victim.images)).stdout).toMatch(/work\/old {2}\(linked at file \d+\)/)
    process.kill(victim.pid, "SIGKILL")
    await victim.gone()
    await restore(stasisTool, victim.images, "--verify")
    expect(readdirSync(victim.folder).filter((name) => name.startsWith("link_remap."))).toEqual(names.slice(0, 1))
    await expectWell(victim)
  })

  for (const call of ["linkat", "renameat2"])
    test.skipIf(!strace)(`gets none from a dump that is killed at ${call}`, async () => {
      const victim = await startGhosts("moved")
      const dumping = [...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images, "--link-remap"]
      const killed = await run(["strace", "-qq", "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=1`, ...dumping])
      expect(killed.status).toBe(137)
      await waitFor("the guard", () => readdirSync(victim.folder).length === 1)
      await expectWell(victim)
    })
})

describe("a stasis that is killed while it makes deleted files leaves no name behind", () => {
  const strace = Bun.which("strace")
  if (!strace) skip("SIGKILL at each call that makes a name: strace is not installed (apt-get install strace, needs root)")
  const CALLS = "mkdirat,renameat2,unlinkat"

  for (const [what, left] of [
    ["files", ["taken"]],
    ["folders", []],
  ] as const)
    test.skipIf(!strace)(
      what,
      async () => {
        const victim = await startGhosts(what)
        await dump(stasisTool, victim.pid, victim.images)
        await victim.gone()
        const restoring = [...stasisTool.command, "restore", "-d", "-D", victim.images]
        const calls = join(victim.images, "calls")
        const traced = (when: number) =>
          run(["strace", "-qq", "-e", `trace=${CALLS}`, "-e", `inject=${CALLS}:signal=KILL:when=${when}`, "-o", calls, ...restoring])
        let killed = 0
        for (let when = 1; ; when++) {
          const { status } = await traced(when)
          if (status === 0) break
          killed++
          await waitFor("the guard", () => readdirSync(victim.folder).length === left.length)
          expect(readdirSync(victim.folder)).toEqual([...left])
          await waitFor("the PID to be free", () => !existsSync(`/proc/${victim.pid}`))
        }
        expect(killed).toBeGreaterThan(2)
        await expectWell(victim)
      },
      120_000,
    )
})
