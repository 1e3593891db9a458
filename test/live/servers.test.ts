/** File systems whose server does not answer: test/victims/mute.c. */
import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, signal, statusOf } from "../harness/process.ts"
import { asUser, toolAs, USER, unpublish } from "../harness/rung.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, launch, start, type Victim } from "../harness/victim.ts"

afterEach(() => {
  cleanUp()
  unpublish()
})

/** Runs a step beside such a server. Who waits for its answer goes on when it is gone. @param args of mute.c */
async function withMute(step: (mute: Victim) => Promise<void>, ...args: readonly string[]): Promise<void> {
  if (!existsSync("/dev/fuse")) return skip("a server that does not answer: this machine has no /dev/fuse")
  const mute = await start("mute", { args: args.length === 0 ? ["{folder}"] : args })
  try {
    await step(mute)
  } finally {
    signal(mute.pid, "SIGKILL")
  }
}

describe("a server of a file system that does not answer", () => {
  test("is not asked when nothing of the tree is on it, though deleted files are looked for in the whole machine", () =>
    withMute(async () => {
      const victim = await start("ghosts", { args: ["files", "{folder}"] })
      await dump(stasisTool, victim.pid, victim.images)
      await victim.gone()
      await restore(stasisTool, victim.images)
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    }))

  test("is named, with who uses it, after --timeout; the target is untouched, and the tool ends", () =>
    withMute(async (mute) => {
      const user = mute.members().find((pid) => pid !== mute.pid) ?? 0
      const images = join(mute.images, "new")
      const refused = await run([...stasisTool.command, "dump", "-t", `${user}`, "-D", images, "--timeout", "1", "--json"])
      const { code, found, next } = toldError(refused)
      expect([refused.status, code]).toEqual([8, "E_TIMEOUT"])
      expect(found).toBe(`the server of "${mute.folder}" (fuse.mute) has not answered within 1 s`)
      expect(next).toContain(`umount -f "${mute.folder}"`)
      expect([existsSync(images), alive(user), statusOf(user, "TracerPid")]).toEqual([false, true, "0"])
    }))

  /** The command, where the file system of such a server is mounted. */
  const beside = (mute: Victim, ...command: readonly string[]): string[] => ["nsenter", "-t", `${mute.pid}`, "-m", "--", ...command]

  test("is not asked for a process of somebody else's: whose it is is told, as where there is no such server", () =>
    withMute(async (mute) => {
      const refused = await run(beside(mute, ...toolAs(...asUser(USER)).command, "dump", `${mute.pid}`, "-D", "/", "--json"))
      expect(toldError(refused)).toMatchObject({ code: "E_PERMISSION", found: `it belongs to user 0, and stasis runs as user ${USER}` })
    }))

  test("at restore is named before anything is created, by plan too", async () => {
    const victim = await start("root", { args: ["{folder}"] })
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await withMute(async (mute) => {
      const images = ["-D", victim.images, "--json"]
      const refused = await run(beside(mute, ...stasisTool.command, "restore", "-d", "--timeout", "1", ...images))
      const { code, found } = toldError(refused)
      expect([refused.status, code]).toEqual([8, "E_TIMEOUT"])
      expect(found).toBe(`the server of "${victim.folder}" (fuse.mute) has not answered within 1 s`)
      expect(alive(victim.pid)).toBe(false)
      const planned = await run(beside(mute, ...stasisTool.command, "plan", ...images))
      expect(planned.status).toBe(8)
      expect(planned.stdout).toContain(`the server of \\"${victim.folder}\\" (fuse.mute) has not answered`)
    }, victim.folder)
    await restore(stasisTool, victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("any more after a pre-dump script is named too, and nothing was stopped", () =>
    withMute(
      async (mute) => {
        const user = launch("root", beside(mute, compileVictim("root"), join(mute.images, "ask"), mute.folder))
        await waitFor("its user", () => user.lines().length > 0)
        expect(isReady(user)).toBe(true)
        const script = join(mute.images, "script")
        writeFileSync(script, `#!/bin/sh\nkill -USR1 ${mute.pid}; sleep 0.3\n`, { mode: 0o755 })
        const options = ["-D", join(mute.images, "new"), "--timeout", "1", "--json", "--action-script", script]
        const refused = await run(beside(mute, ...stasisTool.command, "dump", "-t", `${user.pid}`, ...options))
        expect([refused.status, toldError(refused).code]).toEqual([8, "E_TIMEOUT"])
        expect(toldError(refused).found).toContain("has not answered within 1 s")
        expect([alive(user.pid), statusOf(user.pid, "TracerPid")]).toEqual([true, "0"])
      },
      "{folder}",
      "later",
    ))
})
