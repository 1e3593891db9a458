import { describe, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { Program } from "../../src/tracee/program.ts"
import { waitFor } from "../harness/deadline.ts"
import { stateOf, threadsOf } from "../harness/process.ts"
import { canTrace, freeze, lend, perThread, startTarget, type Target, why } from "./fixture.ts"

const asking = (): Program => {
  const program = new Program()
  program.call("gettid")
  return program
}

/** Runs something in every thread, which is told to stop before and perhaps to go on afterwards. */
function askStopped(target: Target, afterwards: readonly NodeJS.Signals[]): void {
  using frozen = freeze(target.pid)
  process.kill(target.pid, "SIGSTOP")
  const programs = perThread(frozen, asking)
  using loan = lend(frozen, programs)
  for (let runs = 0; runs < 2; runs++)
    for (const [tid, { of }] of loan.run(programs)) expect(of({ kind: "result", record: 0 })).toBe(BigInt(tid))
  expect(frozen.heldSignals).toEqual([])
  for (const signal of afterwards) process.kill(target.pid, signal)
}

const all = ({ pid }: Target, state: string): boolean => threadsOf(pid).every((tid) => stateOf(tid) === state)

/** Every thread of a target in mode "states" does something, and nothing went wrong. */
async function expectWell(target: Target): Promise<void> {
  const since = target.board()
  await waitFor("every thread to go on", () => {
    const { spins, sleeps, passes } = target.board()
    return spins > since.spins && sleeps > since.sleeps && passes > since.passes
  })
  expect(target.board()).toMatchObject({ errors: 0, interrupted: 0 })
}

describe.skipIf(!canTrace)(`a SIGSTOP that comes while something is run in the threads${why}`, () => {
  for (const after of [[], ["SIGCONT", "SIGSTOP"]] as const)
    test(`stops them when they are let go${after.length > 0 ? ", undone and repeated" : ""}`, async () => {
      using target = await startTarget("states")
      using _ = holdInterrupts()
      for (let round = 0; round < 5; round++) {
        askStopped(target, after)
        await waitFor("the group stop", () => all(target, "T"))
        process.kill(target.pid, "SIGCONT")
        await expectWell(target)
      }
    })

  test("does not when a SIGCONT follows it", async () => {
    using target = await startTarget("states")
    using _ = holdInterrupts()
    for (let round = 0; round < 20; round++) {
      askStopped(target, ["SIGCONT"])
      await expectWell(target)
    }
  })
})
