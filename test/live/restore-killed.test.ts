import { afterEach, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, stateOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, run, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

const strace = Bun.which("strace")
if (!strace) skip("restores that are killed: strace is not installed (apt-get install strace, needs root)")
const MOMENTS = Number(process.env.STASIS_MOMENTS ?? 20)

/** A dumped victim that is dead. */
async function dumped(source: string, ...args: string[]): Promise<Victim> {
  const victim = await start(source, { args })
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  return victim
}

/** A restore under strace(1), whose -D leaves the test as the tool's parent. */
const traced = (victim: Victim, strace: readonly string[], options: readonly string[]): string[] => [
  ...["strace", "-D", "-q", "-e", "trace=ptrace", ...strace, "-o", `${victim.folder}/calls`],
  ...[...stasisTool.command, "restore", "-D", victim.images, "-d", ...options],
]

/** The calls of the last restore, when strace has written them all. */
const callsOf = (victim: Victim): Promise<string[]> =>
  waitFor("the end of strace", () => {
    const calls = readFileSync(`${victim.folder}/calls`, "latin1").split("\n").filter(Boolean)
    return /^\+\+\+ /.test(calls.at(-1) ?? "") && calls
  })

const nothingLeft = (victim: Victim, when: string): Promise<unknown> =>
  waitFor(`nothing to be left of ${victim.pid}, killed ${when}`, () => victim.members().length === 0 && !alive(victim.pid), 5)

describe("kill -9 of a restore whose first process was just born leaves nothing behind", () => {
  // With -S it is not the tool's child: no parent's death would tell it. strace -D leaves the test as the tool's parent.
  // And nobody reaps it then, so one kill has to do: the first call is the one that would take hold of it.
  const cases = [
    ["a child of the tool", 6, []],
    ["a sibling of the tool", 1, ["-S"]],
  ] as const
  for (const [title, kills, options] of cases)
    test.skipIf(!strace)(
      title,
      async () => {
        const victim = await dumped("heap")
        for (let when = 1; when <= kills; when++) {
          const { status } = await run(traced(victim, ["-e", `inject=ptrace:signal=KILL:when=${when}`], options))
          expect([when, status]).toEqual([when, 137])
          await nothingLeft(victim, `at call ${when}`)
        }
      },
      60_000,
    )
})

/** The place of the first thread that was let go. */
const firstRelease = (calls: readonly string[]): number => calls.findIndex((call) => call.startsWith("ptrace(PTRACE_DETACH"))

describe(`kill -9 at ${MOMENTS} random moments of restore --verify leaves nothing behind until the first thread is let go`, () => {
  for (const [source, ...args] of [["seccomp", "filters"], ["seccomp", "tight"], ["forest"]] as const)
    test.skipIf(!strace)(
      [source, ...args].join(" "),
      async () => {
        const victim = await dumped(source, ...args)
        const { status } = await run(traced(victim, [], ["--verify"]))
        expect(status).toBe(0)
        const all = firstRelease(await callsOf(victim))
        expect(all).toBeGreaterThan(50)
        for (const pid of victim.members()) process.kill(pid, "SIGKILL")
        let killed = 0
        for (let round = 0; round < MOMENTS; round++) {
          await victim.gone()
          const when = 1 + Math.floor(Math.random() * all)
          await run(traced(victim, ["-e", `inject=ptrace:signal=KILL:when=${when}`], ["--verify"]))
          const calls = await callsOf(victim)
          if (firstRelease(calls) < 0) {
            killed++
            await nothingLeft(victim, `at call ${when} of ${all}: ${calls.at(-2)}`)
          }
          for (const pid of victim.members()) process.kill(pid, "SIGKILL")
        }
        expect(killed).toBeGreaterThan(MOMENTS / 2)
      },
      300_000,
    )
})

test.skipIf(!strace)(
  "kill -9 while the threads are let go: all of the tree goes on",
  async () => {
    const victim = await dumped("forest", "3", "2")
    expect((await run(traced(victim, [], []))).status).toBe(0)
    const calls = (await callsOf(victim)).filter((call) => call.startsWith("ptrace("))
    const first = firstRelease(calls)
    const members = victim.members()
    expect(members.length).toBe(10)
    for (const when of [first + 1, first + 5, calls.length]) {
      for (const pid of victim.members()) process.kill(pid, "SIGKILL")
      await victim.gone()
      expect((await run(traced(victim, ["-e", `inject=ptrace:signal=KILL:when=${when}`], []))).status).toBe(137)
      expect(victim.members()).toEqual(members)
      // None of them is stopped, or traced by anybody.
      await waitFor("all to run", () => victim.members().every((pid) => stateOf(pid) === "S"))
    }
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  },
  60_000,
)
