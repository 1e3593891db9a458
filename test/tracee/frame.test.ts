import { describe, expect, test } from "bun:test"
import { fpxSwBytes, type Registers, rtSigframe, SIGFRAME_MCONTEXT, sigcontext, userRegsStruct } from "../../ffi/abi/registers.x86_64.ts"
import { decode } from "../../ffi/layout.ts"
import { syscallNumber } from "../../ffi/syscall.ts"
import {
  answered,
  answeredInterrupted,
  callArguments,
  frameSize,
  frameStack,
  interruptedAnswer,
  interruptedCall,
  interruptedNumber,
  loadedNumber,
  NO_SYSCALL,
  RESTART_BLOCK,
  restartBlocked,
  resultRegister,
  rewound,
  signalFrame,
  stubRegisters,
  syscallRegisters,
} from "../../src/tracee/arch.x86_64.ts"

/** Where a frame leads to. */
const frameRegisters = (frame: Uint8Array) => decode(sigcontext, frame, SIGFRAME_MCONTEXT)

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
/** Each register holds another value; not in a system call. */
const plain: Registers = {
  ...(Object.fromEntries(Object.keys(userRegsStruct.fields).map((name, i) => [name, BigInt(0x1000 + i)])) as Registers),
  cs: 0x33n,
  ss: 0x2bn,
  orig_ax: NO_SYSCALL,
}
const inCall = (number: bigint, answer: bigint): Registers => ({ ...plain, orig_ax: number, ax: u64(answer) })

/** XSAVE bytes whose header says that x87, SSE and AVX are in use. */
const xstate = Uint8Array.from({ length: 832 }, (_, i) => (i >= 512 && i < 576 ? (i === 512 ? 7 : 0) : i & 0xff))
const ADDRESS = 0x7fff_0000_0040n
const FPSTATE = 448 // first multiple of 64 behind the 440 bytes of a frame

describe("interruptedCall", () => {
  const rows: readonly (readonly [string, Registers, ReturnType<typeof interruptedCall>])[] = [
    ["user mode", plain, "none"],
    ["user mode with -ERESTARTSYS in rax by chance", { ...plain, ax: u64(-512n) }, "none"],
    ["ERESTARTSYS", inCall(0n, -512n), "restart"],
    ["ERESTARTNOINTR", inCall(202n, -513n), "restart"],
    ["ERESTARTNOHAND", inCall(34n, -514n), "restart"],
    ["ERESTART_RESTARTBLOCK", inCall(35n, -516n), "restart-block"],
    ["EINTR", inCall(232n, -4n), "none"],
    ["a call that has answered", inCall(0n, 5n), "none"],
  ]
  for (const [name, registers, kind] of rows) test(name, () => expect(interruptedCall(registers)).toBe(kind))
})

describe("registers", () => {
  test("rewound runs the call again from its instruction", () => {
    expect(rewound(inCall(202n, -512n))).toMatchObject({ ax: 202n, ip: plain.ip - 2n, orig_ax: NO_SYSCALL, di: plain.di })
    expect(rewound(inCall(219n, -516n), 7n)).toMatchObject({ ax: 7n, ip: plain.ip - 2n })
  })

  test("answers: EINTR, a number, a restart block", () => {
    expect(interruptedAnswer(inCall(35n, -516n))).toMatchObject({ ax: u64(-4n), ip: plain.ip, orig_ax: NO_SYSCALL })
    expect(resultRegister(answered(plain, -11n))).toBe(-11n)
    const blocked = restartBlocked(plain, 230)
    expect([interruptedCall(blocked), interruptedNumber(blocked), resultRegister(blocked)]).toEqual(["restart-block", 230, RESTART_BLOCK])
  })

  test("answeredInterrupted is true of EINTR in a call only", () => {
    expect(answeredInterrupted(inCall(232n, -4n))).toBe(true)
    expect(answeredInterrupted({ ...plain, ax: u64(-4n) })).toBe(false)
    expect(answeredInterrupted(inCall(232n, -512n))).toBe(false)
  })

  test("a remote call has its arguments in the kernel's order and cannot be restarted", () => {
    const registers = syscallRegisters(plain, 0x400000n, 0x7000n, "mmap", [1, 2n, 3, 4, -1, 6])
    expect(callArguments(registers)).toEqual([1n, 2n, 3n, 4n, u64(-1n), 6n])
    expect(registers).toMatchObject({ ip: 0x400000n, sp: 0x7000n, ax: BigInt(syscallNumber("mmap")), orig_ax: NO_SYSCALL, bx: plain.bx })
    expect(callArguments(syscallRegisters(plain, 0n, 0n, "getpid", []))).toEqual([0n, 0n, 0n, 0n, 0n, 0n])
  })

  test("a stub is entered with its header in rbx", () => {
    expect(stubRegisters(0x5000n, 0x6000n)).toEqual({ ip: 0x5000n, bx: 0x6000n, orig_ax: NO_SYSCALL, flags: 0x202n })
  })

  test("code of ours runs without the flags of the program", () => {
    const stepping = { ...plain, flags: 0x40746n }
    expect(syscallRegisters(stepping, 0x400000n, 0x7000n, "getpid", []).flags).toBe(0x202n)
  })

  test("the number in front of a call is read from mov $imm32, %eax alone", () => {
    expect(loadedNumber(Uint8Array.of(0xb8, 0xe6, 0, 0, 0))).toBe(230)
    expect(loadedNumber(Uint8Array.of(0x48, 0xc7, 0xc0, 0xe6, 0))).toBeUndefined()
  })
})

describe("signalFrame", () => {
  const frame = signalFrame(ADDRESS, 0xabcden, plain, xstate, 0x1234n)

  test("carries every register that rt_sigreturn takes", () => {
    const { orig_ax, fs_base, gs_base, ds, es, cs, ss, gs, fs, ...general } = plain
    expect(frameRegisters(frame)).toMatchObject({
      ...general,
      cs: 0x33,
      ss: 0x2b,
      gs: Number(BigInt.asUintN(16, gs)),
      fs: Number(BigInt.asUintN(16, fs)),
    })
  })

  test("has the return address, the mask, and flags that leave the alternate stack alone", () => {
    expect(decode(rtSigframe, frame)).toEqual({
      pretcode: 0xabcden,
      uc_flags: 7n,
      uc_link: 0n,
      ss_sp: 0n,
      ss_flags: 0x7f,
      ss_size: 0n,
      uc_sigmask: 0x1234n,
    })
    expect(frameStack(ADDRESS)).toBe(ADDRESS + 8n)
  })

  test("has the extended state, 64-aligned, marked as the kernel wants it", () => {
    expect(frameRegisters(frame).fpstate).toBe(ADDRESS + BigInt(FPSTATE))
    expect(frame.length).toBe(frameSize(xstate.length))
    expect([...frame.subarray(FPSTATE, FPSTATE + 464)]).toEqual([...xstate.subarray(0, 464)])
    expect([...frame.subarray(FPSTATE + 512, FPSTATE + 832)]).toEqual([...xstate.subarray(512)])
    expect(decode(fpxSwBytes, frame, FPSTATE + 464)).toEqual({ magic1: 0x46505853, extended_size: 836, xfeatures: 7n, xstate_size: 832 })
    expect(new DataView(frame.buffer).getUint32(FPSTATE + 832, true)).toBe(0x46505845)
  })

  test("an interrupted call is rewound; one in a restart block answers EINTR until the stub knows better", () => {
    const into = (registers: Registers) => frameRegisters(signalFrame(ADDRESS, 0n, registers, xstate, 0n))
    expect(into(inCall(0n, -512n))).toMatchObject({ ax: 0n, ip: plain.ip - 2n })
    expect(into(inCall(202n, -514n))).toMatchObject({ ax: 202n, ip: plain.ip - 2n })
    expect(into(inCall(35n, -516n))).toMatchObject({ ax: u64(-4n), ip: plain.ip })
    expect(into(inCall(232n, -4n))).toMatchObject({ ax: u64(-4n), ip: plain.ip })
    expect(into({ ...plain, ax: u64(-512n) })).toMatchObject({ ax: u64(-512n), ip: plain.ip })
  })
})
