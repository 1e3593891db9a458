/** File systems whose server does not answer: test/victims/mute.c. */
import { afterEach, describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { alive, cleanUp, signal, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

/** Runs a step beside such a server. Who waits for its answer goes on when it is gone. */
async function withMute(step: (mute: Victim) => Promise<void>): Promise<void> {
  if (!existsSync("/dev/fuse")) return skip("a server that does not answer: this machine has no /dev/fuse")
  const mute = await start("mute", { args: ["{folder}"] })
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
})
