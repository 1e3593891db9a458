import { describe, expect, test } from "bun:test"
import { ITIMER, itimerval } from "../../ffi/abi/timer.ts"
import { encode } from "../../ffi/layout.ts"
import { type posix_timer_entry, type task_timers_entry, task_timers_entrySchema } from "../../proto/gen/timer_pb.ts"
import { findClocks, surveyTimers } from "../../src/kinds/timers/clocks.ts"
import { askTimers, collectTimers } from "../../src/kinds/timers/collect.ts"
import { armTimers, createPosixTimers, kernelRestoresTimerIds } from "../../src/kinds/timers/restore.ts"
import { type PosixTimer, readTimers } from "../../src/proc/timers.ts"
import { type Answers, type Data, Program } from "../../src/tracee/program.ts"
import { canRun, inside, startFixture, throughBytes, why } from "./fixture.ts"

const zero = { isec: 0n, iusec: 0n, vsec: 0n, vusec: 0n }
const timer = (it_id: number, more: Partial<posix_timer_entry> = {}): posix_timer_entry => ({
  ...{ it_id, clock_id: 1, si_signo: 40, it_sigev_notify: 0, sival_ptr: 1n, overrun: 0, isec: 0n, insec: 0n, vsec: 0n, vnsec: 0n },
  ...more,
})

/** Timers of a fixture, asked through its leader after `before` has run there. */
function collectAll(pid: number, before: (program: Program) => void = () => {}): task_timers_entry {
  const [entry] = inside(
    pid,
    (program, tid) => {
      if (tid === pid) before(program)
      return askTimers(program, readTimers(pid))
    },
    ({ question, answers }) => collectTimers(answers, question),
  )
  return entry!
}

/** Everything but what runs on while nobody looks. */
const constant = ({ overrun: _, vsec: __, vnsec: ___, ...rest }: posix_timer_entry) => rest

/** Seconds that are left of a timer: at most as many as before, and few less. */
const near = (now: bigint, before: bigint) => expect(Number(before - now)).toBeWithin(0, 5)

describe("createPosixTimers", () => {
  test("asks for IDs where the kernel takes them, in ascending order", () => {
    const program = new Program()
    createPosixTimers([timer(9), timer(4)], program, true)
    expect(program.describe().map((line) => line.replace(/^#\d+ (\w+).*/, "$1"))).toEqual([
      "prctl",
      "timer_create",
      "timer_getoverrun",
      "timer_create",
      "timer_getoverrun",
      "prctl",
    ])
    expect(program.describe()[2]).toContain("timer_getoverrun(4)")
  })

  test("goes to each ID by timers that are deleted again where it does not", () => {
    const program = new Program()
    createPosixTimers([timer(3)], program, false)
    expect(program.describe().filter((line) => line.includes("timer_delete"))).toHaveLength(3)
    expect(() => createPosixTimers([timer(1_000_000)], new Program(), false)).toThrow("Cannot restore timer 1000000")
  })

  test("refuses two timers with one ID", () => {
    expect(() => createPosixTimers([timer(3), timer(3)], new Program(), true)).toThrow("two have the ID 3")
  })
})

test("armTimers: a timer that was just running out begins its next interval, a disarmed one stays so", () => {
  const program = new Program()
  const posix = [timer(1), timer(2, { isec: 5n })]
  armTimers(throughBytes(task_timers_entrySchema, { real: { ...zero, isec: 3n }, virt: zero, prof: zero, posix }), program)
  const lines = program.describe()
  expect(lines).toHaveLength(2)
  expect(lines[0]).toStartWith("#0 timer_settime(2, 0, ")
  expect(lines[0]).toContain(JSON.stringify("\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"))
  expect(lines[1]).toStartWith("#1 setitimer(0, ")
})

describe("clocks of CPU time", () => {
  const [MAIN, BUSY, THIRD] = [process.pid, 4_194_001, 4_194_002]
  const THREAD_OF_WHO_ASKS = -2
  const of = (id: number, clockId: number, more: Partial<PosixTimer> = {}): PosixTimer => ({
    ...{ id, clockId, signal: 40, value: 0n, notify: "signal", target: "pid", targetId: MAIN },
    ...more,
  })
  const threadClock = (tid: number): number => (~tid << 3) | 6
  const processClock = (pid: number): number => (~pid << 3) | 2

  /** @param armed IDs of armed timers   @param asked is told which threads were asked */
  function find(timers: readonly PosixTimer[], tids: readonly number[], armed: readonly number[], owner: number, asked: number[] = []) {
    const questions = askTimers(new Program(), timers)
    const times = new Map(questions.posix.map(({ timer, times }) => [times, timer.id]))
    const answers = { of: () => 0n, bytes: (data: Data) => new Uint8Array(32).fill(armed.includes(times.get(data)!) ? 1 : 0) }
    let now = 0
    return findClocks(MAIN, tids, answers as unknown as Answers, questions, (tid) => {
      asked.push(tid)
      return { bytes: () => new Uint8Array(32).fill(tid === owner ? now++ : 0) } as unknown as Answers
    })
  }

  test("a thread's own is that of the thread whose running makes it run; who it signals is asked first", () => {
    const asked: number[] = []
    const timers = [of(3, THREAD_OF_WHO_ASKS), of(4, THREAD_OF_WHO_ASKS, { target: "tid", targetId: BUSY })]
    const clocks = find(timers, [MAIN, BUSY, THIRD], [3, 4], BUSY, asked)
    expect([...clocks].sort()).toEqual([
      [3, threadClock(BUSY)],
      [4, threadClock(BUSY)],
    ])
    expect(asked).toEqual([MAIN, BUSY, MAIN, BUSY])
    expect(find(timers, [MAIN, BUSY, THIRD], [3, 4], MAIN).size).toBe(0)
  })

  test("one that is not armed is taken for that of the thread that it signals, else of the main thread", () => {
    const timers = [of(1, THREAD_OF_WHO_ASKS), of(2, THREAD_OF_WHO_ASKS, { target: "tid", targetId: THIRD })]
    const clocks = find(timers, [MAIN, BUSY, THIRD], [], BUSY)
    expect([...clocks]).toEqual([[2, threadClock(THIRD)]])
  })

  test("nothing is asked of one thread, of processes and of other clocks; those of who has ended become the process's own", () => {
    const asked: number[] = []
    expect(find([of(1, THREAD_OF_WHO_ASKS)], [MAIN], [1], MAIN, asked).size).toBe(0)
    const living = [of(1, 1), of(2, -6), of(3, threadClock(BUSY)), of(4, processClock(MAIN)), of(5, (~9 << 3) | 3)]
    expect(find(living, [MAIN, BUSY], [1, 2, 3, 4, 5], BUSY, asked).size).toBe(0)
    expect(asked).toEqual([])
    const ended = [of(6, threadClock(THIRD)), of(7, processClock(4_194_303))]
    expect([...find(ended, [MAIN, BUSY], [], BUSY)]).toEqual([
      [6, -6],
      [7, -6],
    ])
  })

  test("surveyTimers refuses those of living processes outside the tree", () => {
    const timers = [of(1, processClock(1)), of(2, processClock(MAIN)), of(3, processClock(4_194_303)), of(4, -6), of(5, threadClock(1))]
    expect(surveyTimers(MAIN, timers, new Set([MAIN])).map(({ what, where }) => [what, where])).toEqual([
      ["a timer of the CPU time of process 1, which is outside the tree", `task ${MAIN} timer 1`],
    ])
  })
})

describe.skipIf(!canRun)(`timers of a live process${why}`, () => {
  test("collect: every kind of notification, clock and overrun", async () => {
    using subject = await startFixture("subject", "timers")
    const entry = collectAll(subject.pid)
    expect(entry.real).toMatchObject({ isec: 5n, iusec: 1000n })
    expect(Number(entry.real.vsec)).toBeWithin(990, 1001)
    expect(entry.virt).toMatchObject({ isec: 0n, iusec: 0n })
    expect(entry.prof).toMatchObject({ isec: 9n, iusec: 9000n, vsec: 88n })
    const [signal, none, thread, helper, cpu, threadCpu, fast] = entry.posix
    expect(signal).toMatchObject({
      it_id: 3,
      clock_id: 1,
      si_signo: 40,
      it_sigev_notify: 0,
      sival_ptr: 0x1122334455667788n,
      isec: 60n,
      insec: 7n,
    })
    expect(none).toMatchObject({ it_id: 4, clock_id: 0, it_sigev_notify: 1, sival_ptr: 2n ** 64n - 1n, isec: 0n })
    expect(Number(none!.vsec)).toBeWithin(590, 600)
    expect(thread).toMatchObject({ it_id: 10, clock_id: 7, si_signo: 41, it_sigev_notify: 4, notify_thread_id: subject.pid })
    expect(helper).toMatchObject({ it_id: 11, it_sigev_notify: 2, si_signo: 12, vsec: 0n, vnsec: 0n })
    expect(helper).not.toHaveProperty("notify_thread_id")
    // The kernel shows CLOCK_PROCESS_CPUTIME_ID as the CPU clock of process 0, which is whoever asks.
    expect(cpu).toMatchObject({ it_id: 12, clock_id: -6 >>> 0, vsec: 799n })
    expect(threadCpu!.clock_id | 0).toBe((~subject.pid << 3) | 6)
    expect(fast).toMatchObject({ it_id: 14, insec: 1_000_000n })
  })

  for (const restoreIds of [true, false])
    test.skipIf(restoreIds && !kernelRestoresTimerIds())(
      `restore: the same timers, IDs ${restoreIds ? "asked for" : "reached"}`,
      async () => {
        using subject = await startFixture("subject", "timers")
        using copy = await startFixture("subject", "idle")
        const dumped = throughBytes(task_timers_entrySchema, collectAll(subject.pid))
        const moved = dumped.posix.map(({ clock_id, ...entry }) => ({
          ...entry,
          clock_id: (clock_id | 0) < 0 ? ((~copy.pid << 3) | 6) >>> 0 : clock_id,
          ...(entry.notify_thread_id ? { notify_thread_id: copy.pid } : {}),
        }))
        collectAll(copy.pid, (program) => {
          createPosixTimers(moved, program, restoreIds)
          armTimers({ ...dumped, posix: moved }, program)
        })
        const restored = collectAll(copy.pid)
        expect(restored.posix.map(constant)).toEqual(moved.map(constant))
        for (const [index, { vsec }] of restored.posix.entries()) near(vsec, moved[index]!.vsec)
        expect(restored.real).toMatchObject({ isec: dumped.real.isec, iusec: dumped.real.iusec })
        near(restored.real.vsec, dumped.real.vsec)
        expect(restored.prof).toMatchObject({ isec: 9n, iusec: 9000n })
      },
    )

  test("the longest times of all three interval timers, which the kernel tells as negative ones", async () => {
    using subject = await startFixture("subject", "idle")
    const longest = 2n ** 63n - 1n
    const far = { it_interval_sec: longest, it_interval_usec: 999_999n, it_value_sec: longest, it_value_usec: 999_999n }
    const dumped = collectAll(subject.pid, (program) => {
      for (const which of Object.values(ITIMER)) program.call("setitimer", which, program.bytes(encode(itimerval, far)), 0)
    })
    for (const { isec, iusec, vsec } of [dumped.real, dumped.virt, dumped.prof]) {
      expect([isec, iusec]).toEqual([9_223_372_036n, 854_775n])
      expect(vsec).toBeGreaterThan(9_000_000_000n)
    }
    const restored = collectAll(subject.pid, (program) => armTimers(throughBytes(task_timers_entrySchema, dumped), program))
    expect([restored.virt, restored.prof]).toEqual([dumped.virt, dumped.prof])
  })
})
