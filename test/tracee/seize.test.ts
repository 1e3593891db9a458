import { describe, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { attempt } from "../../ffi/syscall.ts"
import { readStatus } from "../../src/proc/status.ts"
import { freezeTree } from "../../src/tracee/freeze.ts"
import { liveTasks } from "../../src/tracee/lists.ts"
import { seizeProcess } from "../../src/tracee/seize.ts"
import { getRegisters, tryPtrace } from "../../src/tracee/trace.ts"
import { deadlineIn } from "../../src/tracee/wait.ts"
import { waitFor } from "../harness/deadline.ts"
import { failureOf } from "../harness/failure.ts"
import { stateOf, statusOf, threadsOf } from "../harness/process.ts"
import { canTrace, freeze, startTarget, why } from "./fixture.ts"

/** No thread of it has a tracer or is stopped. */
const isFree = (pid: number): boolean =>
  threadsOf(pid).every((tid) => statusOf(tid, "TracerPid") === "0" && !"tT".includes(stateOf(tid) ?? "?"))

/** PIDs start anew at their limit, so a leader may have a higher number than its threads. */
const ascending = (tids: readonly number[]): number[] => [...tids].sort((a, b) => a - b)

const isAsleep = (tid: number): boolean => stateOf(tid) === "S"

describe.skipIf(!canTrace)(`seizeProcess${why}`, () => {
  test("stops 200 threads, the leader first, and lets all of them go", async () => {
    using target = await startTarget("crowd", "199")
    await waitFor("all threads to be in pause", () => threadsOf(target.pid).length === 200 && threadsOf(target.pid).every(isAsleep))
    using _ = holdInterrupts()
    {
      using frozen = freeze(target.pid)
      expect(ascending(frozen.threads.map(({ tid }) => tid))).toEqual(threadsOf(target.pid))
      expect(frozen.threads[0]?.tid).toBe(target.pid)
      expect(frozen.threads.length).toBe(200)
      for (const { tid, registers, touched } of frozen.threads) {
        expect(stateOf(tid)).toBe("t")
        expect([registers.orig_ax, BigInt.asIntN(64, registers.ax), touched]).toEqual([34n, -514n, false]) // in pause
      }
    }
    expect(isFree(target.pid)).toBe(true)
    expect(threadsOf(target.pid).length).toBe(200)
  })

  test("gets every thread of a process that makes new ones all the time, 30 times", async () => {
    using target = await startTarget("spawning")
    using _ = holdInterrupts()
    for (let round = 0; round < 30; round++) {
      {
        using frozen = freeze(target.pid)
        const tids = frozen.threads.map(({ tid }) => tid)
        expect(threadsOf(target.pid)).toEqual(ascending(tids))
        const still = target.board().passes
        for (const tid of tids) expect(stateOf(tid)).toBe("t")
        Bun.sleepSync(2)
        expect(target.board().passes).toBe(still)
      }
      const before = target.board().passes
      await waitFor("the threads to go on", () => target.board().passes > before)
    }
  })

  test("gives the registers, mask and extended state that the thread has", async () => {
    using target = await startTarget("states")
    const blocks = (tid: number): boolean => readStatus(target.pid, tid).sigBlocked !== 0n
    await waitFor("the thread that blocks signals", () => threadsOf(target.pid).filter(blocks).length === 1)
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const blocking = frozen.threads.filter(({ mask }) => mask !== 0n)
    expect(blocking.length).toBe(1)
    expect(readStatus(target.pid, blocking[0]!.tid).sigBlocked).toBe(blocking[0]!.mask)
    for (const { tid, registers, resume, xstate } of frozen.threads) {
      expect(getRegisters(tid)).toEqual(registers)
      expect(resume).toBe(registers)
      expect(xstate.length).toBeGreaterThan(576)
    }
  })

  test("ending stop leaves it in a group stop, ready for SIGCONT; held signals are sent again", async () => {
    using target = await startTarget("crowd", "3")
    using _ = holdInterrupts()
    {
      using frozen = freeze(target.pid)
      frozen.ending = "stop"
    }
    await waitFor("the group stop", () => threadsOf(target.pid).every((tid) => stateOf(tid) === "T"))
    process.kill(target.pid, "SIGCONT")
    await waitFor("it to go on", () => threadsOf(target.pid).every((tid) => stateOf(tid) === "S"))
    {
      using frozen = freeze(target.pid)
      frozen.heldSignals.push(15)
    }
    await waitFor("the end by SIGTERM", () => stateOf(target.pid) === undefined || stateOf(target.pid) === "Z")
  })

  test("disposed of twice, it is let go once: signals that were held are sent once", async () => {
    using target = await startTarget("crowd", "2")
    using _ = holdInterrupts()
    const all = (state: string): boolean => threadsOf(target.pid).every((tid) => stateOf(tid) === state)
    const frozen = freeze(target.pid)
    frozen.heldSignals.push(19)
    frozen[Symbol.dispose]()
    await waitFor("the group stop", () => all("T"))
    process.kill(target.pid, "SIGCONT")
    await waitFor("it to go on", () => all("S"))
    frozen.ending = "stop"
    frozen[Symbol.dispose]()
    await Bun.sleep(50)
    expect(all("S")).toBe(true)
  })

  test("a process in a group stop is frozen and stays stopped", async () => {
    using target = await startTarget("crowd", "2")
    using _ = holdInterrupts()
    process.kill(target.pid, "SIGSTOP")
    await waitFor("the group stop", () => threadsOf(target.pid).every((tid) => stateOf(tid) === "T"))
    {
      using frozen = freeze(target.pid)
      expect(frozen.threads.length).toBe(3)
    }
    await waitFor("the group stop again", () => threadsOf(target.pid).every((tid) => stateOf(tid) === "T"))
  })

  test("one that is killed while it is frozen is released without an error", async () => {
    using target = await startTarget("crowd", "3")
    using _ = holdInterrupts()
    {
      using frozen = freeze(target.pid)
      expect(frozen.threads.length).toBe(4)
      attempt("kill", target.pid, 9)
    }
    await waitFor("its end", () => stateOf(target.pid) === undefined || stateOf(target.pid) === "Z")
  })
})

describe.skipIf(!canTrace)(`what seizeProcess refuses${why}`, () => {
  const seize = (pid: number, threads: () => number[], tracer = 0) =>
    failureOf(() => seizeProcess(pid, deadlineIn(5), { threads, tracer: () => tracer }))

  test("a root that is gone is no tree, and nobody waits for it", () => {
    const gone = Bun.spawnSync(["true"]).pid
    expect(failureOf(() => freezeTree(gone, [], deadlineIn(2), liveTasks))).toMatchObject({ code: "E_NO_PROCESS" })
  })

  test("a process without threads is gone", () => {
    expect(seize(0x3ffffff, () => [])).toMatchObject({ code: "E_NO_PROCESS" })
    expect(seize(0x3ffffff, () => [0x3ffffff])).toMatchObject({ code: "E_NO_PROCESS" })
  })

  test("a task that may not be traced: E_TRACED names who traces it, else E_PERMISSION", () => {
    const { pid } = process
    expect(seize(pid, () => [pid], 77)).toMatchObject({ code: "E_TRACED", found: expect.stringMatching(/^it is traced by process 77/) })
    expect(seize(pid, () => [pid])).toMatchObject({ code: "E_PERMISSION", cause: { errno: "EPERM" } })
  })

  test("after a failure every thread runs on", async () => {
    using target = await startTarget("crowd", "3")
    using _ = holdInterrupts()
    const { pid } = target
    expect(seize(pid, () => [...threadsOf(pid), process.pid])).toMatchObject({ code: "E_PERMISSION" })
    await waitFor("its threads to be free", () => isFree(pid))
    expect(tryPtrace("CONT", pid)).toBe(-3)
    using frozen = freeze(pid)
    expect(frozen.threads.length).toBe(4)
  })

  test("a signal that meets a thread during a failed freeze is not lost", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    const { pid } = target
    const sendAndWait = (): number => {
      process.kill(pid, "SIGTERM")
      for (const end = performance.now() + 5000; stateOf(pid) !== "t" && performance.now() < end; ) Bun.sleepSync(1)
      return 77
    }
    failureOf(() => seizeProcess(pid, deadlineIn(5), { threads: () => [pid, process.pid], tracer: sendAndWait }))
    await waitFor("the end by SIGTERM", () => stateOf(pid) === undefined || stateOf(pid) === "Z", 5)
  })

  test("a thread that ended between the list and the seizure is left out", async () => {
    using target = await startTarget("crowd", "5")
    using other = await startTarget("idle")
    using _ = holdInterrupts()
    process.kill(other.pid, "SIGKILL")
    await waitFor("the other's end", () => stateOf(other.pid) === undefined || stateOf(other.pid) === "Z")
    {
      using frozen = seizeProcess(target.pid, deadlineIn(5), { threads: () => [...threadsOf(target.pid), other.pid], tracer: () => 0 })
      expect(ascending(frozen.threads.map(({ tid }) => tid))).toEqual(threadsOf(target.pid))
    }
    expect(isFree(target.pid)).toBe(true)
  })
})
