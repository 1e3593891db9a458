import { describe, expect, test } from "bun:test"
import { SIG, SIGINFO_SIZE, siginfo } from "../../ffi/abi/signal.ts"
import { decode, encode } from "../../ffi/layout.ts"
import { task_core_entrySchema, thread_sas_entrySchema } from "../../proto/gen/core_pb.ts"
import { signal_queue_entrySchema } from "../../proto/gen/siginfo_pb.ts"
import {
  ACTION_SIGNALS,
  askAltStack,
  askSigactions,
  collectAltStack,
  collectPending,
  collectSigactions,
} from "../../src/kinds/signals/collect.ts"
import { discardSignals, restoreAltStack, restorePending, restoreSigactions } from "../../src/kinds/signals/restore.ts"
import { readStatus } from "../../src/proc/status.ts"
import { Program } from "../../src/tracee/program.ts"
import { deadlineIn } from "../../src/tracee/wait.ts"
import { canRun, inside, startFixture, throughBytes, why } from "./fixture.ts"

const actions = () => ACTION_SIGNALS.map((signal) => ({ sigaction: BigInt(signal), flags: 4n, restorer: 0n, mask: 2n ** 64n - 1n }))
const tc = { task_state: 1, exit_code: 0, personality: 0, flags: 0, blk_sigset: 0n, comm: "" }

/** What the fixture "signals" holds, thread by thread, leader first. */
const collectAll = (pid: number) =>
  inside(
    pid,
    (program) => ({ actions: askSigactions(program), stack: askAltStack(program) }),
    ({ tid, question, answers }) => {
      const status = readStatus(pid, tid)
      return {
        actions: collectSigactions(answers, question.actions),
        stack: collectAltStack(answers, question.stack),
        own: collectPending(tid, false, status.sigPending, deadlineIn(10)),
        shared: collectPending(tid, true, status.sharedPending, deadlineIn(10)),
      }
    },
  )

const numbers = ({ signals }: { signals: { siginfo: Uint8Array }[] }) => signals.map((entry) => decode(siginfo, entry.siginfo).si_signo)
const value = (entry: { siginfo: Uint8Array } | undefined) =>
  new DataView(entry!.siginfo.buffer, entry!.siginfo.byteOffset).getInt32(24, true)

describe("restoreSigactions", () => {
  test("sets 61 actions first and SIGCHLD alone afterwards", () => {
    const [first, last] = [new Program(), new Program()]
    const { sigactions } = throughBytes(task_core_entrySchema, { ...tc, sigactions: actions() })
    expect(sigactions).toEqual(actions())
    restoreSigactions(sigactions, first, "all but SIGCHLD")
    restoreSigactions(sigactions, last, "SIGCHLD")
    expect(first.length).toBe(61)
    // First its default, which discards what ended children have sent.
    const set = expect.stringContaining(`rt_sigaction(0x${SIG.CHLD.toString(16)}, `)
    expect(last.describe()).toEqual([set, set])
  })

  test("discardSignals ignores each signal of ended children once, but SIGCHLD and none", () => {
    const program = new Program()
    discardSignals([SIG.TERM, SIG.CHLD, 0, SIG.TERM], program)
    expect(program.describe()).toEqual([expect.stringContaining(`rt_sigaction(0x${SIG.TERM.toString(16)}, `)])
  })

  test("refuses another count, and actions of 32-bit code", () => {
    expect(() => restoreSigactions(actions().slice(1), new Program(), "SIGCHLD")).toThrow("has 61, not 62")
    const compat = actions().map((action) => ({ ...action, compat_sigaction: true }))
    expect(() => restoreSigactions(compat, new Program(), "SIGCHLD")).toThrow("32-bit code")
  })
})

describe("restorePending", () => {
  const ids = { pid: 10, tid: 11, shared: false }
  test("refuses what is not a siginfo_t, or not a signal", () => {
    expect(() => restorePending({ signals: [{ siginfo: new Uint8Array(127) }] }, new Program(), ids)).toThrow("127 bytes instead of 128")
    expect(() => restorePending({ signals: [{ siginfo: new Uint8Array(128) }] }, new Program(), ids)).toThrow("its number is 0")
    expect(() => restorePending({ signals: [{ siginfo: encode(siginfo, { si_signo: 65 }) }] }, new Program(), ids)).toThrow("is 65")
  })

  test("queues to the process or to the thread", () => {
    const program = new Program()
    const queue = throughBytes(signal_queue_entrySchema, { signals: [{ siginfo: encode(siginfo, { si_signo: 40 }) }] })
    restorePending(queue, program, ids)
    restorePending(queue, program, { ...ids, shared: true })
    restorePending(undefined, program, ids)
    expect(program.describe().map((line) => line.slice(0, line.indexOf(', "')))).toEqual([
      "#0 rt_tgsigqueueinfo(0xa, 0xb, 0x28",
      "#1 rt_sigqueueinfo(0xa, 0x28",
    ])
  })
})

test("restoreAltStack: no entry is no stack", () => {
  const program = new Program()
  restoreAltStack(undefined, program)
  expect(program.length).toBe(1)
})

describe.skipIf(!canRun)(`signals of a live process${why}`, () => {
  test("collect: 62 actions, stacks in use and auto-disarmed, queues in order", async () => {
    using subject = await startFixture("subject", "signals")
    const [leader, other] = collectAll(subject.pid)
    const action = (signal: number) => leader!.actions[ACTION_SIGNALS.indexOf(signal)]!
    expect(leader!.actions).toEqual(other!.actions)
    expect(leader!.actions).toHaveLength(62)
    expect(action(34)).toMatchObject({ sigaction: 34n * 0x100000n + 5n, restorer: 0x7000022n })
    expect(action(35).flags).toBe(BigInt(4 | 0x04000000 | 0x10000000 | 0x40000000))
    expect(action(SIG.WINCH).sigaction).toBe(1n)
    expect(action(12).sigaction).toBe(0n)
    expect(leader!.stack).toEqual({ ss_sp: BigInt(subject.says.get("stack")!), ss_size: 32768n, ss_flags: 1 })
    expect(other!.stack).toEqual({ ss_sp: BigInt(subject.says.get("other")!), ss_size: 32768n, ss_flags: 0x80000000 })
    expect(numbers(leader!.shared)).toEqual([40, 40, 15, 2, 14])
    expect(leader!.shared.signals.slice(0, 3).map(value)).toEqual([1, 2, 3])
    expect(numbers(leader!.own)).toEqual([63, 63, 1])
    expect(leader!.own.signals.slice(0, 2).map(value)).toEqual([4, 5])
    expect(numbers(other!.own)).toEqual([])
    expect(other!.shared).toEqual(leader!.shared)
  })

  test("restore: another process gets the same actions, stack and queues", async () => {
    using subject = await startFixture("subject", "signals")
    using copy = await startFixture("subject", "idle")
    const [dumped] = collectAll(subject.pid)
    const { sigactions, signals_s } = throughBytes(task_core_entrySchema, { ...tc, sigactions: dumped!.actions, signals_s: dumped!.shared })
    const [restored] = inside(
      copy.pid,
      (program, tid) => {
        if (tid !== copy.pid) return undefined
        restoreSigactions(sigactions, program, "all but SIGCHLD")
        restoreSigactions(sigactions, program, "SIGCHLD")
        restoreAltStack(throughBytes(thread_sas_entrySchema, dumped!.stack), program)
        restorePending(dumped!.own, program, { pid: copy.pid, tid, shared: false })
        restorePending(signals_s, program, { pid: copy.pid, tid, shared: true })
        return { actions: askSigactions(program), stack: askAltStack(program) }
      },
      ({ tid, question, answers }) =>
        question && {
          actions: collectSigactions(answers, question.actions),
          stack: collectAltStack(answers, question.stack),
          own: collectPending(tid, false, readStatus(copy.pid, tid).sigPending, deadlineIn(10)),
          shared: collectPending(tid, true, readStatus(copy.pid, tid).sharedPending, deadlineIn(10)),
        },
    )
    // The copy's stack pointer is not on the alternate stack.
    expect(restored).toEqual({ ...dumped!, stack: { ...dumped!.stack, ss_flags: 0 } })
    expect(restored!.own.signals[0]!.siginfo).toHaveLength(SIGINFO_SIZE)
  })

  test("collect: a signal that lost its siginfo is kept as the kernel would deliver it", async () => {
    using subject = await startFixture("subject", "idle")
    const [queue] = inside(
      subject.pid,
      () => undefined,
      ({ tid }) => collectPending(tid, true, 1n << 14n, deadlineIn(10)),
    )
    expect(queue).toEqual({ signals: [{ siginfo: encode(siginfo, { si_signo: 15 }) }] })
  })
})
