import { describe, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { readMaps } from "../../src/proc/maps.ts"
import type { FrozenProcess } from "../../src/tracee/frozen.ts"
import { framePagesSize } from "../../src/tracee/host.ts"
import { readMemory } from "../../src/tracee/memory.ts"
import { loanSize } from "../../src/tracee/placement.ts"
import { Program } from "../../src/tracee/program.ts"
import { getRegisters, getSignalMask } from "../../src/tracee/trace.ts"
import { patienceOf } from "../../src/tracee/wait.ts"
import { waitFor } from "../harness/deadline.ts"
import { failureOf } from "../harness/failure.ts"
import { stateOf as stateOfTask, threadsOf } from "../harness/process.ts"
import { borrow } from "./borrow.ts"
import { canTrace, freeze, perThread, startTarget, type Target, termsOf, why } from "./fixture.ts"

/** A program that does not come to its end by itself. No call with a restart block, which would take the place of the thread's own. */
function lasting(): Program {
  const program = new Program()
  program.callWith({ mayFail: true }, "pause")
  return program
}

const stateOf = ({ threads }: FrozenProcess) => threads.map(({ tid }) => ({ tid, registers: getRegisters(tid), mask: getSignalMask(tid) }))
const layoutOf = (pid: number): string[] => readMaps(pid).map(({ start, end, path }) => `${start} ${end} ${path}`)

async function expectWell({ pid, board }: Target, threads: readonly number[]): Promise<void> {
  await waitFor("the target to be free", () => threads.every((tid) => !"tT".includes(stateOfTask(tid) ?? "?")))
  expect(threadsOf(pid)).toEqual([...threads])
  const since = board()
  await waitFor("every thread to go on", () => {
    const { spins, sleeps, passes } = board()
    return spins > since.spins && sleeps > since.sleeps && passes > since.passes
  })
  expect(board()).toMatchObject({ errors: 0, interrupted: 0 })
}

describe.skipIf(!canTrace)(`a run that is given up${why}`, () => {
  for (const chained of [true, false])
    test(`its threads are stopped before their area goes, ${chained ? "with" : "without"} a return chain`, async () => {
      using target = await startTarget("states")
      using _ = holdInterrupts()
      const { pid } = target
      const threads = threadsOf(pid)
      {
        using frozen = freeze(pid)
        const [before, layout, terms] = [stateOf(frozen), layoutOf(pid), termsOf(frozen)]
        const gadgets = chained ? terms.gadgets : { ...terms.gadgets, signalReturn: undefined }
        {
          const programs = perThread(frozen, lasting)
          using loan = borrow(frozen, { ...terms, gadgets }, loanSize(frozen, [...programs.values()]), patienceOf(0.1))
          expect(failureOf(() => loan.run(programs))).toMatchObject({ code: "E_TIMEOUT" })
        }
        expect(stateOf(frozen)).toEqual(before)
        expect(layoutOf(pid)).toEqual(layout)
        expect(readMemory(pid, terms.framePages, framePagesSize(frozen)).every((byte) => byte === 0)).toBe(true)
        expect(frozen.threads.every(({ touched, running }) => !touched && !running)).toBe(true)
        expect(frozen.heldSignals).toEqual([])
      }
      await expectWell(target, threads)
    })

  test("the release stops and puts back what nobody waited for", async () => {
    using target = await startTarget("states")
    using _ = holdInterrupts()
    const threads = threadsOf(target.pid)
    {
      using frozen = freeze(target.pid)
      const terms = termsOf(frozen)
      const programs = perThread(frozen, lasting)
      const unchained = { ...terms, gadgets: { ...terms.gadgets, signalReturn: undefined } }
      borrow(frozen, unchained, loanSize(frozen, [...programs.values()]), patienceOf(0.1)).start(programs)
    }
    await expectWell(target, threads)
  })
})
