import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { cleanUp } from "../harness/process.ts"
import { readBoard, registrations, rseqThreads } from "../harness/rseq.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import { NO_LIBRARY_RSEQ } from "./rows.ts"

afterEach(cleanUp)

describe("registrations that guesses do not find", () => {
  // Static programs stand where they were linked for: their descriptors may be in pages that nobody has written.
  for (const [way, linkage] of [
    ["libc", "dynamic"],
    ["auto", "dynamic"],
    ["auto", "static"],
  ] as const)
    test(`${way}, ${linkage}: a thread in a section of one is refused before anything runs in it, and stays protected`, async () => {
      const victim = await start("rseqspin", { linkage, args: ["{folder}"], env: NO_LIBRARY_RSEQ })
      for (let round = 0; round < 5; round++) {
        const command = [...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images, "-R", "--rseq-discovery", way]
        const result = await run(command, { env: { STASIS_WITHOUT: "ptrace_get_rseq_configuration" } })
        expect([result.status, toldError(result).code]).toEqual([EXIT_STATUS.E_KERNEL, "E_KERNEL"])
      }
      victim.ask()
      expect(await victim.answer()).toBe("OK")
      expect(readBoard(victim.folder)).toMatchObject({ commits: 1, unprotected: 0 })
    })
})

describe("a registration in the executable's __rseq_abi, after libc's was ended, where the kernel does not tell", () => {
  const untold = { STASIS_WITHOUT: "ptrace_get_rseq_configuration" }
  const dumpUntold = async (pid: number, folder: string, ...options: string[]) =>
    expect(
      await run([...stasisTool.command, "dump", "-t", `${pid}`, "-D", folder, "--no-sync", ...options], { env: untold }),
    ).toMatchObject({
      status: 0,
    })

  test("is found and proved, and comes back", async () => {
    const victim = await start("rseqtls")
    const told = registrations(await rseqThreads(stasisTool, `${victim.pid}`))
    await dumpUntold(victim.pid, victim.images)
    expect(registrations(await rseqThreads(stasisTool, "-D", victim.images))).toEqual(told)
    await victim.gone()
    await restore(stasisTool, victim.images)
    expect(registrations(await rseqThreads(stasisTool, `${victim.pid}`))).toEqual(told)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("of a thread in a section is believed: it goes on in its abort handler", async () => {
    const victim = await start("rseqtls", { args: ["{folder}"] })
    const before = readBoard(victim.folder)
    for (let round = 0; round < 5; round++) await dumpUntold(victim.pid, join(victim.images, `${round}`), "-R")
    const after = readBoard(victim.folder)
    expect(after.aborts).toBeGreaterThanOrEqual(before.aborts + 5)
    expect(after).toMatchObject({ commits: 0, unprotected: 0 })
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
})

describe("odd registrations", () => {
  const odd = (kind: string) => start("rseqodd", { args: [kind], env: NO_LIBRARY_RSEQ })

  test("an area that the thread may not write to is malformed, whatever is to be done about such", async () => {
    for (const policy of ["refuse", "keep"]) {
      const victim = await odd("readonly")
      if (!isReady(victim)) return
      const result = await run([...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images, "--rseq-malformed", policy])
      const { code, found, next } = toldError(result)
      expect([code, found]).toEqual(["E_RSEQ_MALFORMED", expect.stringContaining("cannot be read and written")])
      expect(next).not.toContain("--rseq-malformed")
    }
  })

  test("a thread that faults in what is run in it, by a protection key, is not waited for", async () => {
    const victim = await odd("denied")
    if (!isReady(victim)) return
    const result = await run([...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images])
    expect(toldError(result).code).toBe("E_INJECTION")
    expect(result.stderr).not.toContain("does not stop")
  })

  test("areas in shared memory, and in that of another process, are what the kernel writes to: --verify does not take them for changed", async () => {
    for (const kind of ["shared", "sharers"]) {
      const victim = await odd(kind)
      if (!isReady(victim)) return
      for (let round = 0; round < 4; round++)
        await dump(stasisTool, victim.pid, join(victim.images, `${round}`), "--leave-running", "--verify", "--no-sync")
      await dump(stasisTool, victim.pid, victim.images)
      await victim.gone()
      await restore(stasisTool, victim.images, "--verify")
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    }
  })

  test("one of 64 MiB is kept with its length, and its area is stored once", async () => {
    const victim = await odd("long")
    if (!isReady(victim)) return
    const told = registrations(await rseqThreads(stasisTool, `${victim.pid}`))
    await dump(stasisTool, victim.pid, victim.images)
    const own = readdirSync(victim.images).filter((name) => name.startsWith("stasis-"))
    const [leader] = await rseqThreads(stasisTool, "-D", victim.images)
    expect(leader).toMatchObject({ class: "unregistered", rseq_cs: null })
    for (const name of own) expect([name, statSync(join(victim.images, name)).size < 1 << 20]).toEqual([name, true])
    await victim.gone()
    await restore(stasisTool, victim.images)
    expect(registrations(await rseqThreads(stasisTool, `${victim.pid}`))).toEqual(told)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
})
