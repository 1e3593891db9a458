import { describe, expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { attempt } from "../../ffi/syscall.ts"
import { ptrace, tryPtrace } from "../../src/tracee/trace.ts"
import {
  checkDeadline,
  cleanupDeadline,
  deadlineIn,
  fixedDeadline,
  patienceOf,
  pollReport,
  reap,
  reportOf,
  waitReport,
} from "../../src/tracee/wait.ts"
import { failureOf } from "../harness/failure.ts"
import { canTrace, freeze, startTarget, why } from "./fixture.ts"

describe("reportOf", () => {
  const stopped = (signal: number, event = 0): number => (event << 16) | (signal << 8) | 0x7f
  const rows: readonly (readonly [string, number, ReturnType<typeof reportOf>])[] = [
    ["an interrupt", 0x80057f, { kind: "event-stop", signal: 5 }],
    ["a group stop by SIGSTOP", stopped(19, 128), { kind: "event-stop", signal: 19 }],
    ["a group stop by SIGTTIN", stopped(21, 128), { kind: "event-stop", signal: 21 }],
    ["a system call with TRACESYSGOOD", stopped(0x85), { kind: "syscall-stop" }],
    ["a signal", stopped(10), { kind: "signal-stop", signal: 10 }],
    ["a real-time signal", stopped(64), { kind: "signal-stop", signal: 64 }],
    ["SIGTRAP without an event", stopped(5), { kind: "signal-stop", signal: 5 }],
    ["an exit", 3 << 8, { kind: "gone", status: 0x300 }],
    ["an exit with 0x7f", 0x7f00, { kind: "gone", status: 0x7f00 }],
    ["a kill", 9, { kind: "gone", status: 9 }],
    ["a kill with a core file", 0x80 | 11, { kind: "gone", status: 0x8b }],
  ]
  for (const [name, status, report] of rows) test(name, () => expect(reportOf(status)).toEqual(report))
})

describe("deadlines", () => {
  const late = () => ({ found: "it sleeps", next: "Wake it" })

  test("0 seconds is none", () => {
    expect(deadlineIn(0).at).toBe(Number.POSITIVE_INFINITY)
    expect(() => checkDeadline(deadlineIn(0), "nothing", late)).not.toThrow()
  })

  test("one that has passed is E_TIMEOUT and says during what", () => {
    expect(failureOf(() => checkDeadline({ at: performance.now() - 1, seconds: 3 }, "the freeze of thread 7", late))).toMatchObject({
      code: "E_TIMEOUT",
      action: "Cannot finish the freeze of thread 7",
      found: "after 3 s it sleeps",
      next: "Wake it, or give a longer --timeout",
    })
  })

  test("one that no option makes longer does not send anybody to --timeout", () => {
    const passed = { ...fixedDeadline(3), at: performance.now() - 1 }
    expect(failureOf(() => checkDeadline(passed, "the probe", late))).toMatchObject({ code: "E_TIMEOUT", next: "Wake it" })
  })

  test("patience starts anew for each wait; clean-up has a limit and no ear", () => {
    const patience = patienceOf(10)
    const first = patience()
    Bun.sleepSync(2)
    expect(patience().at).toBeGreaterThan(first.at)
    expect(cleanupDeadline()).toMatchObject({ deaf: true })
    expect(cleanupDeadline().at).toBeLessThan(performance.now() + 60_000)
  })
})

describe.skipIf(!canTrace)(`waitReport${why}`, () => {
  test("ends at its deadline when nothing happens, and tells the report when it does", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    const { pid } = target
    ptrace("SEIZE", pid, 0, 1)
    expect(pollReport(pid)).toBeUndefined()
    const started = performance.now()
    expect(failureOf(() => waitReport(pid, deadlineIn(0.1), "nothing"))).toMatchObject({ code: "E_TIMEOUT" })
    expect(performance.now() - started).toBeLessThan(5000)
    ptrace("INTERRUPT", pid)
    expect(waitReport(pid, deadlineIn(5), "a stop")).toEqual({ kind: "event-stop", signal: 5 })
    attempt("kill", pid, 9)
    expect(waitReport(pid, deadlineIn(5), "the end")).toEqual({ kind: "gone", status: 9 })
    expect(tryPtrace("CONT", pid)).toBe(-3)
  })

  test("of a process that was killed with all its threads, the leader's end is told though nobody has waited for the others", async () => {
    using target = await startTarget("crowd", "3")
    using _ = holdInterrupts()
    const { pid, threads } = freeze(target.pid)
    expect(threads).toHaveLength(4)
    attempt("kill", pid, 9)
    expect(waitReport(pid, deadlineIn(5), "the end")).toEqual({ kind: "gone", status: 9 })
    for (const { tid } of threads) expect(waitReport(tid, deadlineIn(1), "an end").kind).toBe("gone")
  })

  test("a task that is neither child nor tracee is gone, with a status that is no success", () => {
    expect(waitReport(1, deadlineIn(1), "a stranger")).toEqual({ kind: "gone", status: -1 })
    expect(pollReport(1)).toBeUndefined()
  })
})

test("reap waits for a child's end, however often the tool's own timer interrupts", async () => {
  using _ = holdInterrupts()
  const child = Bun.spawn(["sleep", "0.2"])
  reap(child.pid)
  expect(existsSync(`/proc/${child.pid}`)).toBe(false)
  reap(child.pid)
})
