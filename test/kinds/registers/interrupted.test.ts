import { describe, expect, test } from "bun:test"
import { type Registers, userRegsStruct } from "../../../ffi/abi/registers.x86_64.ts"
import { type Syscall, syscallNumber } from "../../../ffi/syscall.ts"
import { decideRestart } from "../../../src/kinds/registers/interrupted.ts"
import type { ReadIfMapped } from "../../../src/kinds/registers/restarted.ts"
import { NO_SYSCALL } from "../../../src/tracee/arch.x86_64.ts"

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const EINTR = u64(-4n)
const IP = 0x401002n
const plain = {
  ...(Object.fromEntries(Object.keys(userRegsStruct.fields).map((name) => [name, 0n])) as Registers),
  ip: IP,
  orig_ax: NO_SYSCALL,
}

/** A thread that the freeze met in a call: the kernel's answer, and its arguments in order. */
function inCall(call: Syscall, answer: bigint, ...args: bigint[]): Registers {
  const [di = 0n, si = 0n, dx = 0n, r10 = 0n, r8 = 0n, r9 = 0n] = args
  return { ...plain, orig_ax: BigInt(syscallNumber(call)), ax: u64(answer), di, si, dx, r10, r8, r9 }
}
const again = (call: Syscall) => ({ ax: BigInt(syscallNumber(call)), ip: IP - 2n, orig_ax: NO_SYSCALL })
const answersEintr = { ax: EINTR, ip: IP, orig_ax: NO_SYSCALL }

const nothing: ReadIfMapped = () => undefined
const memory =
  (places: Readonly<Record<string, Uint8Array>>): ReadIfMapped =>
  (address, length) => {
    const bytes = places[`0x${address.toString(16)}`]
    return bytes?.length === length ? bytes : undefined
  }
const timespec = (seconds: bigint, nanoseconds: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(seconds, nanoseconds).buffer)
const loads = (call: Syscall): Uint8Array => {
  const code = Uint8Array.of(0xb8, 0, 0, 0, 0)
  new DataView(code.buffer).setUint32(1, syscallNumber(call), true)
  return code
}
const decide = (registers: Registers, read = nothing, signalled = false) => decideRestart(12, registers, signalled, read)

describe("decideRestart: no call, and calls that have answered", () => {
  for (const [name, registers] of [
    ["user mode", plain],
    ["user mode with -ERESTARTSYS in rax by chance", { ...plain, ax: u64(-512n) }],
    ["a call that answered", inCall("read", 5n)],
    ["a call that failed", inCall("read", -9n)],
  ] as const)
    test(`${name}: as it is`, () => expect(decide(registers)).toEqual({ image: registers, resume: undefined, entry: undefined }))
})

describe("decideRestart: restarted from the start by the kernel", () => {
  for (const [name, answer] of [
    ["ERESTARTSYS", -512n],
    ["ERESTARTNOINTR", -513n],
    ["ERESTARTNOHAND", -514n],
  ] as const)
    test(`${name}: rewound in the image, left to the kernel in the thread`, () => {
      const registers = inCall("read", answer, 3n, 0x5000n, 10n)
      expect(decide(registers)).toEqual({ image: { ...registers, ...again("read") }, resume: undefined, entry: undefined })
      // the kernel itself decides whether a handler turns it into EINTR
      expect(decide(registers, nothing, true).resume).toBeUndefined()
    })
})

describe("decideRestart: in a restart block", () => {
  const sleep = inCall("nanosleep", -516n, 0x5000n, 0x6000n)

  test("nanosleep with a remainder: EINTR for CRIU, the time left in our own entry", () => {
    const { image, resume, entry } = decide(sleep, memory({ "0x6000": timespec(7n, 250n) }))
    expect(image).toMatchObject(answersEintr)
    expect(resume).toBeUndefined()
    expect(entry).toEqual({
      syscall_nr: syscallNumber("nanosleep"),
      clock_id: 1,
      remaining_sec: 7n,
      remaining_nsec: 250,
      args: [0x5000n, 0x6000n, 0n, 0n, 0n, 0n],
    })
  })

  test("clock_nanosleep with a remainder: its own clock", () => {
    const registers = inCall("clock_nanosleep", -516n, 7n, 0n, 0x5000n, 0x6000n)
    expect(decide(registers, memory({ "0x6000": timespec(0n, 1n) })).entry).toMatchObject({
      syscall_nr: syscallNumber("clock_nanosleep"),
      clock_id: 7,
      remaining_sec: 0n,
      remaining_nsec: 1,
    })
  })

  for (const [name, registers, read] of [
    ["no remainder asked for", inCall("nanosleep", -516n, 0x5000n, 0n), nothing],
    ["a remainder that cannot be read", sleep, nothing],
    ["a remainder that is none (negative)", sleep, memory({ "0x6000": timespec(-1n, 0n) })],
    ["a remainder that is none (nanoseconds)", sleep, memory({ "0x6000": timespec(1n, 1_000_000_000n) })],
  ] as const)
    test(`nanosleep, ${name}: runs again`, () =>
      expect(decide(registers, read)).toEqual({ image: { ...registers, ...again("nanosleep") }, resume: undefined, entry: undefined }))

  for (const call of ["futex", "poll", "ppoll", "clock_nanosleep"] as const)
    test(`${call} without a known time left: runs again`, () => {
      const registers = inCall(call, -516n, 1n, 0n, 3n, 0n)
      expect(decide(registers)).toEqual({ image: { ...registers, ...again(call) }, resume: undefined, entry: undefined })
    })

  test("a call that nobody knows answers EINTR", () => {
    const registers = inCall("io_getevents", -516n)
    expect(decide(registers)).toEqual({ image: { ...registers, ...answersEintr }, resume: undefined, entry: undefined })
  })

  const restarted = inCall("restart_syscall", -516n, 0x5000n, 0x6000n)
  const CODE = `0x${(IP - 7n).toString(16)}`

  test("restarted before: the real number is read from the code in front of the call", () => {
    expect(decide(restarted, memory({ [CODE]: loads("poll") })).image).toMatchObject(again("poll"))
    const read = memory({ [CODE]: loads("nanosleep"), "0x6000": timespec(3n, 4n) })
    expect(decide(restarted, read)).toMatchObject({
      image: answersEintr,
      entry: { syscall_nr: syscallNumber("nanosleep"), remaining_sec: 3n, remaining_nsec: 4 },
    })
  })

  test("restarted before, and the code does not tell: EINTR", () => {
    expect(decide(restarted).image).toMatchObject(answersEintr)
    expect(decide(restarted, memory({ [CODE]: Uint8Array.of(0x90, 0x90, 0x90, 0x90, 0x90) })).image).toMatchObject(answersEintr)
    expect(decide(restarted, memory({ [CODE]: loads("io_getevents") })).image).toMatchObject(answersEintr)
  })
})

describe("decideRestart: ended with EINTR by the freeze", () => {
  const endless: readonly (readonly [Syscall, bigint[]])[] = [
    ["epoll_wait", [4n, 0x5000n, 1n, 0xffff_ffffn]],
    ["epoll_wait", [4n, 0x5000n, 1n, u64(-1n)]],
    ["epoll_pwait", [4n, 0x5000n, 1n, u64(-1n)]],
    ["epoll_pwait2", [4n, 0x5000n, 1n, 0n]],
    ["rt_sigtimedwait", [0x5000n, 0n, 0n]],
    ["semop", [1n, 0x5000n, 1n]],
    ["semtimedop", [1n, 0x5000n, 1n, 0n]],
  ]
  for (const [call, args] of endless)
    test(`${call} for ever: runs again, in the thread too; not when a signal is the cause`, () => {
      const registers = inCall(call, -4n, ...args)
      const wanted = { ...registers, ...again(call) }
      expect(decide(registers)).toEqual({ image: wanted, resume: wanted, entry: undefined })
      expect(decide(registers, nothing, true)).toEqual({ image: registers, resume: undefined, entry: undefined })
    })

  const finite: readonly (readonly [Syscall, bigint[]])[] = [
    ["epoll_wait", [4n, 0x5000n, 1n, 1000n]],
    ["epoll_wait", [4n, 0x5000n, 1n, 0n]],
    ["epoll_pwait2", [4n, 0x5000n, 1n, 0x7000n]],
    ["rt_sigtimedwait", [0x5000n, 0n, 0x7000n]],
    ["semtimedop", [1n, 0x5000n, 1n, 0x7000n]],
    ["read", [3n]],
  ]
  for (const [call, args] of finite)
    test(`${call}(${args.join(", ")}) with a time limit or of another kind: keeps its EINTR`, () => {
      const registers = inCall(call, -4n, ...args)
      expect(decide(registers)).toEqual({ image: registers, resume: undefined, entry: undefined })
    })
})
