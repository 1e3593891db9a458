import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { readStatusIfAlive } from "../../src/proc/status.ts"
import { discover } from "../../src/rseq/discover.ts"
import { applyFixup, imagePatches, rseqCsAddress } from "../../src/rseq/fixup.ts"
import { readRseqState } from "../../src/rseq/inspect.ts"
import { appendProof, appendSignatureProof, isSignature, judgeProof } from "../../src/rseq/proof.ts"
import { kernelRegime, probeRegime } from "../../src/rseq/regime.ts"
import type { RseqClass, RseqState } from "../../src/rseq/state.ts"
import type { FrozenProcess } from "../../src/tracee/frozen.ts"
import { findGadgets } from "../../src/tracee/gadgets.ts"
import { liveTasks } from "../../src/tracee/lists.ts"
import type { Loan } from "../../src/tracee/loan.ts"
import { readMemory, writeMemory } from "../../src/tracee/memory.ts"
import { loanSize } from "../../src/tracee/placement.ts"
import { Program } from "../../src/tracee/program.ts"
import { seizeProcess } from "../../src/tracee/seize.ts"
import { chooseStubSignal } from "../../src/tracee/stub-signal.ts"
import { deadlineIn, patienceOf } from "../../src/tracee/wait.ts"
import { borrow } from "../tracee/borrow.ts"
import { canCompile, type Fixture, startFixture } from "./fixture.ts"

const DEADLINE = 10 // s
const hold = (): Disposable => holdInterrupts()

const freeze = (pid: number): FrozenProcess => seizeProcess(pid, deadlineIn(DEADLINE), liveTasks)

const inspect = (process: FrozenProcess): RseqState[] =>
  process.threads.map((thread) => readRseqState(process.pid, thread, discover(thread, "ptrace", { guesses: undefined }), kernelRegime))

/** Lends what the tests need; the caller disposes it before the process. */
function lend(process: FrozenProcess, programs: readonly Program[]): Loan & Disposable {
  const maps = readMaps(process.pid)
  const gadgets = findGadgets(
    process.pid,
    maps.filter(({ exec, path }) => exec && path.startsWith("/")),
  )
  const stack = maps.find(({ path }) => path === "[stack]")
  const stubSignal = chooseStubSignal({ caught: 0n, ignored: 0n, blocked: 0n, pending: 0n })
  if (!gadgets || !stack || !stubSignal) throw new Error("the fixture has no gadgets, stack or free signal")
  return borrow(process, { gadgets, framePages: remoteAddress(stack.start), stubSignal }, loanSize(process, programs), patienceOf(DEADLINE))
}

/** Runs something harmless in every thread, as a dump does. */
function inject(process: FrozenProcess): void {
  const programs = new Map(
    process.threads.map(({ tid }) => {
      const program = new Program()
      program.call("gettid")
      return [tid, program] as const
    }),
  )
  using loan = lend(process, [...programs.values()])
  loan.run(programs)
}

const spin = (until: () => boolean): void => {
  const end = performance.now() + DEADLINE * 1000
  while (!until()) {
    if (performance.now() > end) throw new Error("the fixture does not move")
    Bun.sleepSync(0.05)
  }
}

describe.skipIf(!canCompile || process.getuid?.() !== 0)("a thread inside a section", () => {
  let fixture: Fixture
  let generation = 0
  beforeAll(async () => {
    fixture = await startFixture("0")
    spin(() => fixture.read(0).tid !== 0 && fixture.read(1).tid !== 0)
  })
  afterAll(() => fixture[Symbol.dispose]())

  /**
   * One round: both threads enter their section; those still in it at the freeze are released to run its second half, then go on.
   * @returns how many were inside, after checking that each of them aborted once and finished nothing
   */
  function round(between: (frozen: FrozenProcess, states: readonly RseqState[]) => void): { leader: boolean; other: boolean } {
    generation++
    for (const slot of [0, 1]) fixture.write(slot, "wanted", generation)
    spin(() => [0, 1].every((slot) => fixture.read(slot).entered === generation))
    const inside: boolean[] = []
    const before = [fixture.read(0), fixture.read(1)]
    {
      using frozen = freeze(fixture.pid)
      const states = inspect(frozen)
      for (const slot of [0, 1]) {
        const state = states.find(({ tid }) => tid === fixture.read(slot).tid)
        inside[slot] = state?.class === "abortable"
        if (!state || !inside[slot]) continue
        expect(state.section).toMatchObject({ startIp: fixture.start, endIp: fixture.end, abortIp: fixture.abort })
        expect(state.ip >= fixture.start && state.ip < fixture.end).toBe(true)
        before[slot] = fixture.read(slot)
        fixture.write(slot, "release", 1)
      }
      between(frozen, states)
    }
    for (const slot of [0, 1]) {
      const was = before[slot]
      if (!inside[slot] || !was) continue
      spin(() => fixture.read(slot).aborts !== was.aborts || fixture.read(slot).finished !== was.finished)
      expect(fixture.read(slot)).toMatchObject({ aborts: was.aborts + 1, finished: 0, release: 0 })
    }
    return { leader: inside[0] === true, other: inside[1] === true }
  }

  function rounds(count: number, between: Parameters<typeof round>[0]): void {
    using _ = hold()
    let leader = 0
    let other = 0
    for (let tries = 0; (leader < count || other < count) && tries < 20 * count; tries++) {
      const met = round(between)
      if (met.leader) leader++
      if (met.other) other++
    }
    expect(leader).toBeGreaterThanOrEqual(count)
    expect(other).toBeGreaterThanOrEqual(count)
  }

  test("is aborted once, leader or not, when code was run in it", () => {
    rounds(200, (frozen, states) => {
      for (const thread of frozen.threads) applyFixup(thread, states.find(({ tid }) => tid === thread.tid)!, true)
      inject(frozen)
      // the kernel has cleared the pointer, and so must the saved memory
      for (const state of states.filter(({ class: kind }) => kind === "abortable"))
        expect(readMemory(fixture.pid, rseqCsAddress(state), 8)).toEqual(imagePatches([state])[0]!.bytes)
    })
  }, 60_000)

  test("is aborted once by the kernel itself when nothing was run in it", () => {
    rounds(200, () => {})
  }, 60_000)

  test("is aborted once when it was only prepared", () => {
    rounds(50, (frozen, states) => {
      for (const thread of frozen.threads) applyFixup(thread, states.find(({ tid }) => tid === thread.tid)!, true)
    })
  }, 60_000)

  /** Changes the descriptor while the threads are frozen in it, and mends it again before they go on: the kernel then aborts as ever. */
  function disguised(offset: number, value: number, kind: RseqClass): void {
    rounds(50, (frozen, states) => {
      const descriptor = states.find(({ section }) => section)?.section?.descriptor
      if (descriptor === undefined) return
      const word = (content: number) =>
        writeMemory(fixture.pid, remoteAddress(descriptor + BigInt(offset)), new Uint8Array(Uint32Array.of(content).buffer))
      word(value)
      const seen = inspect(frozen)
      for (const [index, state] of seen.entries()) if (states[index]?.class === "abortable") expect(state.class).toBe(kind)
      for (const [index, thread] of frozen.threads.entries()) applyFixup(thread, seen[index]!, true)
      inject(frozen)
      for (const state of seen)
        if (state.class === kind)
          expect(new DataView(readMemory(fixture.pid, rseqCsAddress(state), 8).buffer).getBigUint64(0, true)).toBe(descriptor)
      word(0)
    })
  }

  test("that is malformed survives code run in it, and gets its pointer back", () => disguised(0, 1, "malformed"), 60_000)

  test.skipIf(probeRegime() === "ignored")(
    "that must not be restarted gets its pointer back last",
    () => disguised(4, 7, "no-restart"),
    60_000,
  )

  test("without the fix-up would finish the section: the test can see it", () => {
    using _ = hold()
    let seen = false
    for (let tries = 0; tries < 100 && !seen; tries++) {
      generation++
      fixture.write(0, "wanted", generation)
      spin(() => fixture.read(0).entered === generation)
      const { aborts } = fixture.read(0)
      {
        using frozen = freeze(fixture.pid)
        seen = inspect(frozen)[0]?.class === "abortable"
        if (seen) fixture.write(0, "release", 1)
        if (seen) inject(frozen)
      }
      if (seen) {
        spin(() => fixture.read(0).finished === 1)
        expect(fixture.read(0).aborts).toBe(aborts)
        fixture.write(0, "finished", 0)
      }
    }
    expect(seen).toBe(true)
  })
})

describe.skipIf(!canCompile || process.getuid?.() !== 0)("a registration", () => {
  test("is proved from a guess without changing it", async () => {
    using _ = hold()
    using fixture = await startFixture("0", "outside")
    using frozen = freeze(fixture.pid)
    const [leader] = frozen.threads
    const truth = discover(leader!, "ptrace", { guesses: undefined })
    if (truth.kind !== "registered") throw new Error("glibc did not register")
    const { registration } = truth
    const ask = (guess: typeof registration, sizes: number[]) => {
      const program = new Program()
      const proof = appendProof(program, guess, sizes)
      using loan = lend(frozen, [program])
      return judgeProof(proof, loan.run(new Map([[frozen.pid, program]])).get(frozen.pid)!)
    }
    expect(ask(registration, [28, 32, 64])).toEqual({ kind: "registered", size: 32 })
    expect(ask({ ...registration, abiPointer: remoteAddress(registration.abiPointer + 32n) }, [32])).toEqual({ kind: "elsewhere" })
    for (const [signature, right] of [
      [registration.signature, true],
      [1, false],
    ] as const) {
      const program = new Program()
      const question = appendSignatureProof(program, { ...registration, signature })
      using loan = lend(frozen, [program])
      expect(isSignature(question, loan.run(new Map([[frozen.pid, program]])).get(frozen.pid)!)).toBe(right)
    }
    // ended by the thread itself, the same questions say so
    const end = new Program()
    end.call("rseq", registration.abiPointer, registration.abiSize, 1, registration.signature)
    {
      using loan = lend(frozen, [end])
      loan.run(new Map([[frozen.pid, end]]))
    }
    expect(ask(registration, [32])).toEqual({ kind: "unregistered" })
    expect(discover(leader!, "ptrace", { guesses: undefined })).toEqual({ kind: "unregistered", strategy: "ptrace", proven: true })
  })
})

describe.skipIf(!canCompile || process.getuid?.() !== 0)("the kernel", () => {
  test("has one of three regimes, and every probe of it says the same", () => {
    expect(["honoured", "fatal", "ignored"]).toContain(probeRegime())
  })

  test.skipIf(probeRegime() === "ignored")("validates a descriptor before it looks at the IP: a bad one kills outside too", async () => {
    using fixture = await startFixture("0", "bad")
    spin(() => (readStatusIfAlive(fixture.pid)?.state ?? "Z") === "Z")
  })
})
