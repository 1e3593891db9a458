import { afterEach, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { CAP } from "../../ffi/abi/caps.ts"
import { readLoginUidIfAlive } from "../../src/proc/attributes.ts"
import { hasCapability } from "../../src/proc/rights.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp, threadsOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, stasisTool, type Tool } from "../harness/tool.ts"
import { isReady, launch } from "../harness/victim.ts"

afterEach(cleanUp)

const UNSET = 0xffffffff
const [SAVED, OTHER] = [1000, 7] as const
/** Words that run a command with a login user ID of its own, which only the process itself can take. */
const loggedIn = (uid: number): string[] => ["sh", "-c", `echo ${uid} >/proc/self/loginuid && exec "$@"`, "sh"]

const restorers: readonly (readonly [string, Tool])[] = [
  ["by one without any", stasisTool],
  ["by one with another", { name: "stasis of a session", command: [...loggedIn(OTHER), ...stasisTool.command] }],
]

for (const [title, restorer] of restorers)
  test(`a login user ID is restored ${title}`, async () => {
    const own = readLoginUidIfAlive(process.pid)
    if (own === null) return skip("this kernel has no login user IDs")
    if (own !== UNSET || (restorer !== stasisTool && !hasCapability(CAP.AUDIT_CONTROL)))
      return skip("these tests may not set a login user ID")
    const victim = launch("threads", ["setsid", ...loggedIn(SAVED), compileVictim("threads"), "{folder}/../ask"])
    await waitFor("the victim", () => victim.lines().length > 0 && isReady(victim))
    await dump(stasisTool, victim.pid, victim.images, "--leave-running", "--verify")
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await restore(restorer, victim.images, "--verify")
    for (const tid of threadsOf(victim.pid)) expect(readFileSync(`/proc/${victim.pid}/task/${tid}/loginuid`, "utf8")).toBe(`${SAVED}`)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
