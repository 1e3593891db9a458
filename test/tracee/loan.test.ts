import { describe, expect, test } from "bun:test"
import { XSTATE_HEADER } from "../../ffi/abi/xsave.x86_64.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../../src/base/errors.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { asDumpError } from "../../src/flow/dump/dump-error.ts"
import { type Mapping, readMaps } from "../../src/proc/maps.ts"
import { readStatus } from "../../src/proc/status.ts"
import type { FrozenProcess } from "../../src/tracee/frozen.ts"
import { framePagesSize } from "../../src/tracee/host.ts"
import { readMemory } from "../../src/tracee/memory.ts"
import { Program } from "../../src/tracee/program.ts"
import { getRegisters, getSignalMask, getXstate } from "../../src/tracee/trace.ts"
import { patienceOf } from "../../src/tracee/wait.ts"
import { waitFor } from "../harness/deadline.ts"
import { failureOf } from "../harness/failure.ts"
import { threadsOf } from "../harness/process.ts"
import { borrow } from "./borrow.ts"
import { canTrace, freeze, lend, perThread, startTarget, type Target, termsOf, why } from "./fixture.ts"

/**
 * Extended state without the bits that say which components are in use: a CPU may count a component that holds its initial values either
 * way, and components out of use show those values.
 */
const comparable = (xstate: Uint8Array): Uint8Array => xstate.fill(0, XSTATE_HEADER, XSTATE_HEADER + 8)

/** All that a thread may not notice a change of. */
const stateOf = ({ threads }: FrozenProcess) =>
  threads.map(({ tid }) => ({ tid, registers: getRegisters(tid), xstate: comparable(getXstate(tid)), mask: getSignalMask(tid) }))

const line = ({ start, end, read, write, exec, path }: Mapping): string =>
  `${start.toString(16)}-${end.toString(16)} ${read}${write}${exec} ${path}`
const layoutOf = (pid: number): string[] => readMaps(pid).map(line)

const asking = (...calls: readonly Parameters<Program["call"]>[0][]): Program => {
  const program = new Program()
  for (const call of calls) program.call(call)
  return program
}

/** Every thread of a target in mode "states" has done something since `since`, and nothing went wrong. */
async function expectWell(target: Target, since = target.board()): Promise<void> {
  await waitFor("every thread to go on", () => {
    const { spins, sleeps, passes } = target.board()
    return spins > since.spins && sleeps > since.sleeps && passes > since.passes
  })
  expect(target.board()).toMatchObject({ errors: 0, interrupted: 0 })
}

describe.skipIf(!canTrace)(`borrow and run${why}`, () => {
  test("each thread answers for itself, and nothing of it is changed", async () => {
    using target = await startTarget("states")
    using _ = holdInterrupts()
    const { pid } = target
    const since = target.board()
    for (let round = 0; round < 20; round++) {
      using frozen = freeze(pid)
      const [before, layout, terms] = [stateOf(frozen), layoutOf(pid), termsOf(frozen)]
      {
        const programs = perThread(frozen, () => asking("gettid", "getpid", "getppid"))
        using loan = lend(frozen, programs, terms)
        expect(layoutOf(pid).length).toBeGreaterThan(layout.length)
        const answers = loan.run(programs)
        for (const [tid, { of }] of answers) {
          expect(of({ kind: "result", record: 0 })).toBe(BigInt(tid))
          expect(of({ kind: "result", record: 1 })).toBe(BigInt(pid))
        }
        expect([...answers.keys()].sort()).toEqual(threadsOf(pid))
      }
      expect(stateOf(frozen)).toEqual(before)
      expect(layoutOf(pid)).toEqual(layout)
      expect(readMemory(pid, terms.framePages, framePagesSize(frozen)).every((byte) => byte === 0)).toBe(true)
      expect(frozen.threads.every(({ touched }) => !touched)).toBe(true)
    }
    await expectWell(target, since)
  })

  test("several runs of one loan, of some of the threads, with data in and out", async () => {
    using target = await startTarget("states")
    using _ = holdInterrupts()
    {
      using frozen = freeze(target.pid)
      const tids = frozen.threads.map(({ tid }) => tid)
      const make = (text: string) => {
        const program = new Program()
        const pair = program.room(8)
        program.call("pipe2", pair, 0)
        const sent = program.call("write", program.loadU32(pair, 4), program.string(text), text.length)
        const room = program.room(64)
        const got = program.call("read", program.loadU32(pair), room, sent)
        program.cleanup()
        program.call("close", program.loadU32(pair))
        program.call("close", program.loadU32(pair, 4))
        return { program, room, got }
      }
      const words = ["one", "another word", "x".repeat(60)]
      using loan = lend(frozen, new Map(tids.map((tid) => [tid, make("y".repeat(60)).program])))
      for (const [i, text] of words.entries()) {
        const some = tids.slice(i, i + 3)
        const programs = new Map(some.map((tid) => [tid, make(text)]))
        const answers = loan.run(new Map([...programs].map(([tid, { program }]) => [tid, program])))
        for (const [tid, { got, room }] of programs) {
          expect(answers.get(tid)!.of(got)).toBe(BigInt(text.length))
          expect(Buffer.from(answers.get(tid)!.bytes(room)).toString("latin1").replaceAll("\0", "")).toBe(text)
        }
      }
    }
    await expectWell(target)
  })

  test("a record that fails ends its program, what is behind cleanup runs, and the error names thread and call", async () => {
    using target = await startTarget("crowd", "2")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const [leader = 0, second = 0] = frozen.threads.map(({ tid }) => tid)
    const program = new Program()
    const counter = program.call("eventfd2", 0, 0)
    program.callWith({ about: "a place" }, "openat", -100, program.string("/no/such/file"), 0)
    program.call("exit_group", 9) // never reached
    program.cleanup()
    program.call("close", counter)
    const programs = new Map([
      [leader, asking("gettid")],
      [second, program],
    ])
    const before = stateOf(frozen)
    {
      using loan = lend(frozen, programs)
      const error = failureOf(() => loan.run(programs))
      expect(error).toBeInstanceOf(SyscallError)
      expect((error as SyscallError).message).toBe(
        `openat(-100, 0x0, 0x0) for a place in thread ${second} answered ENOENT: no such file or directory`,
      )
      expect(readStatus(target.pid).name).toBe("target")
      const again = asking("getpid")
      expect(
        loan
          .run(new Map([[second, again]]))
          .get(second)!
          .of({ kind: "result", record: 0 }),
      ).toBe(BigInt(target.pid))
    }
    expect(stateOf(frozen)).toEqual(before)
    const descriptors = new Bun.Glob("*").scanSync({ cwd: `/proc/${target.pid}/fd`, onlyFiles: false })
    expect([...descriptors].sort()).toEqual(["0", "1", "2"])
  })

  test("failures that are answers do not end a program", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const program = new Program()
    const any = program.callWith({ mayFail: true }, "close", -1)
    const one = program.callWith({ expects: "EBADF" }, "close", 900)
    const fine = program.callWith({ returns: target.pid }, "getpid")
    const programs = new Map([[target.pid, program]])
    using loan = lend(frozen, programs)
    const { of } = loan.run(programs).get(target.pid)!
    expect([any, one, fine].map(of)).toEqual([-9n, -9n, BigInt(target.pid)])
  })

  test("the area is never writable and executable at once", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const programs = new Map([[target.pid, asking("getpid")]])
    using loan = lend(frozen, programs)
    const mine = () => readMaps(target.pid).filter(({ start, end }) => start < loan.area.end && end > loan.area.start)
    expect(mine().some(({ write }) => write)).toBe(false)
    loan.run(programs)
    expect(mine().some(({ write }) => write)).toBe(true)
    expect(mine().some(({ write, exec }) => write && exec)).toBe(false)
  })

  test("without a return chain it works as well", async () => {
    using target = await startTarget("states")
    using _ = holdInterrupts()
    {
      using frozen = freeze(target.pid)
      const before = stateOf(frozen)
      const terms = termsOf(frozen)
      {
        const programs = perThread(frozen, () => asking("gettid"))
        using loan = lend(frozen, programs, { ...terms, gadgets: { ...terms.gadgets, signalReturn: undefined } })
        expect(loan.run(programs).size).toBe(frozen.threads.length)
      }
      expect(stateOf(frozen)).toEqual(before)
    }
    await expectWell(target)
  })

  test("a limit of the address space is E_INJECTION, and the process is as before", async () => {
    using target = await startTarget("states")
    using _ = holdInterrupts()
    const { pid } = target
    Bun.spawnSync(["prlimit", "--pid", `${pid}`, "--as=4096"])
    {
      using frozen = freeze(pid)
      const [before, layout, terms] = [stateOf(frozen), layoutOf(pid), termsOf(frozen)]
      const error = failureOf(() => borrow(frozen, terms, 1 << 20, patienceOf(10)))
      expect(error).toMatchObject({ code: "E_INJECTION", found: "mmap answered ENOMEM", cause: { call: "mmap", errno: "ENOMEM" } })
      expect(stateOf(frozen)).toEqual(before)
      expect(layoutOf(pid)).toEqual(layout)
      expect(readMemory(pid, remoteAddress(terms.framePages), framePagesSize(frozen)).every((byte) => byte === 0)).toBe(true)
    }
    await expectWell(target)
  })

  test("one that is killed meanwhile is E_TARGET_DIED, and its release takes no time", async () => {
    using target = await startTarget("crowd", "5")
    using _ = holdInterrupts()
    const started = performance.now()
    const error = failureOf(() => {
      using frozen = freeze(target.pid)
      const programs = perThread(frozen, () => asking("gettid"))
      using loan = lend(frozen, programs)
      process.kill(target.pid, "SIGKILL")
      loan.run(programs)
    })
    expect(asDumpError({ root: target.pid, processes: [{ pid: target.pid }] }, error)).toMatchObject({ code: "E_TARGET_DIED" })
    expect(performance.now() - started).toBeLessThan(4000)
    // What cannot be read of one that is ending looks as if it were elsewhere.
    const elsewhere = new CheckpointError("E_NAMESPACE", "Cannot dump", "in another net namespace (unreadable)", "Run stasis inside")
    expect(asDumpError({ root: target.pid, processes: [{ pid: target.pid }] }, elsewhere)).toMatchObject({ code: "E_TARGET_DIED" })
    expect(asDumpError({ root: process.pid, processes: [{ pid: process.pid }] }, elsewhere)).toBe(elsewhere)
  })
})
