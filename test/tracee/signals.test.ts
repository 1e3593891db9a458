import { describe, expect, test } from "bun:test"
import { siginfo } from "../../ffi/abi/signal.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { encode } from "../../ffi/layout.ts"
import { syscall } from "../../ffi/syscall.ts"
import { peekSignals } from "../../src/tracee/trace.ts"
import { deadlineIn } from "../../src/tracee/wait.ts"
import { failureOf } from "../harness/failure.ts"
import { given } from "../kinds/files/plans.ts"
import { canTrace, freeze, startTarget, why } from "./fixture.ts"

/** Of the tool's own timer: see ffi/interrupt.ts. */
const TICK = 50
const QUEUED = 70
const LOOKS = 3000

describe.skipIf(!canTrace)(`peekSignals${why}`, () => {
  test("tells the whole queue, however many signals arrive here meanwhile", async () => {
    using target = await startTarget("idle")
    using _frozen = freeze(target.pid)
    for (let i = 0; i < QUEUED; i++)
      syscall("rt_sigqueueinfo", target.pid, 40, given(encode(siginfo, { si_signo: 40, si_code: -1, si_errno: i, si_pid: process.pid })))
    using _interrupts = holdInterrupts()
    const soon = deadlineIn(20)
    const storm = Bun.spawn(["sh", "-c", `while kill -s ${TICK} ${process.pid}; do :; done`])
    try {
      const lengths = new Set<number>()
      for (let look = 0; look < LOOKS; look++) lengths.add(peekSignals(target.pid, true, soon).length)
      expect([...lengths]).toEqual([QUEUED])
    } finally {
      storm.kill("SIGKILL")
    }
    const numbers = peekSignals(target.pid, true, soon).map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getInt32(4, true))
    expect(numbers).toEqual(Array.from({ length: QUEUED }, (_, index) => index))
    expect(peekSignals(target.pid, false, soon)).toEqual([])
  }, 30_000)

  test("a queue that takes longer than its deadline is given up", async () => {
    using target = await startTarget("idle")
    using _frozen = freeze(target.pid)
    syscall("rt_sigqueueinfo", target.pid, 40, given(encode(siginfo, { si_signo: 40, si_code: -1, si_pid: process.pid })))
    const deadline = { at: performance.now() - 1, seconds: 3 }
    const action = `Cannot finish the look at the queued signals of task ${target.pid}`
    expect(failureOf(() => peekSignals(target.pid, true, deadline))).toMatchObject({ code: "E_TIMEOUT", action })
    expect(peekSignals(target.pid, false, deadline)).toEqual([])
  })
})
