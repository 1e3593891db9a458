import {
  FP_SW_OFFSET,
  FP_XSTATE_MAGIC1,
  FP_XSTATE_MAGIC2,
  fpxSwBytes,
  type Registers,
  rtSigframe,
  SIGFRAME_MCONTEXT,
  SS_LEAVE_ALONE,
  sigcontext,
  UC_FLAGS,
} from "../../ffi/abi/registers.x86_64.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { restorer } from "../../ffi/stub/gen/x86_64.ts"
import { syscallNumber } from "../../ffi/syscall.ts"

/** Everything of injection that depends on the CPU architecture. The mirror for aarch64 will stand beside this file. */

/** orig_ax of a thread that is not in a system call: the kernel restarts nothing. */
export const NO_SYSCALL = (1n << 64n) - 1n
const ERESTARTSYS = -512n
const ERESTARTNOINTR = -513n
const ERESTARTNOHAND = -514n
/** Answer of a wait that restart_syscall(2) continues. */
export const RESTART_BLOCK = -516n
const EINTR = -4n
/** Bytes of the instruction that enters the kernel: rewinding by so many runs it again. */
export const SYSCALL_SIZE = 2n

/** Machine code of the interpreter, and where in it a thread enters. Offsets in bytes. */
export const stubCode = Buffer.from(restorer.code, "base64")
export const STUB_ENTRY = BigInt(restorer.symbols.restorer)
/** Where a thread stands when its program has ended. */
export const STUB_STOPPED = BigInt(restorer.symbols.stopped)
/** A system call instruction in it that a remote call can use. */
export const STUB_SYSCALL = BigInt(restorer.symbols.remote_syscall)
/** The same, behind code that uses an AMX tile: the call's first argument is the address of `tileConfiguration`. */
export const STUB_TILES = BigInt(restorer.symbols.use_tiles)
/** One tile of one row with four bytes. Authority: Intel SDM, LDTILECFG, "memory area layout" */
export function tileConfiguration(): Uint8Array {
  const bytes = new Uint8Array(64)
  bytes[0] = 1
  bytes[16] = 4
  bytes[48] = 1
  return bytes
}

/** Byte patterns to look for in executable mappings: a system call that returns, and the signal return of libc's restorer. */
export const GADGETS = {
  syscallReturn: [Buffer.from("0f05c3", "hex")],
  signalReturn: [Buffer.from("48c7c00f0000000f05", "hex"), Buffer.from("b80f0000000f05", "hex")],
  syscall: [Buffer.from("0f05", "hex")],
} as const

/**
 * Flags of code of ours: interrupts on, and nothing that the program had. With its trap flag each instruction of ours would raise SIGTRAP,
 * which kills where it is blocked. Header: arch/x86/include/uapi/asm/processor-flags.h
 */
const PLAIN_FLAGS = 0x202n

/** Registers with which a thread runs one system call at `ip`, an address of a syscall instruction. */
export function syscallRegisters(
  from: Registers,
  ip: bigint,
  sp: bigint,
  call: Parameters<typeof syscallNumber>[0],
  args: readonly (bigint | number)[],
): Registers {
  const [di = 0n, si = 0n, dx = 0n, r10 = 0n, r8 = 0n, r9 = 0n] = args.map((value) => BigInt.asUintN(64, BigInt(value)))
  return { ...from, ip, sp, flags: PLAIN_FLAGS, ax: BigInt(syscallNumber(call)), orig_ax: NO_SYSCALL, di, si, dx, r10, r8, r9 }
}

/** Registers with which a thread enters the interpreter: the others are its own. */
export const stubRegisters = (entry: bigint, header: bigint): Pick<Registers, "ip" | "flags" | "bx" | "orig_ax"> => ({
  ip: entry,
  flags: PLAIN_FLAGS,
  bx: header,
  orig_ax: NO_SYSCALL,
})

/** Signed answer of the system call that a thread just left. */
export const resultRegister = (registers: Registers): bigint => BigInt.asIntN(64, registers.ax)

/** Where a thread stands in relation to the system call that the freeze interrupted. */
type Interrupted = "none" | "restart" | "restart-block"

/** Which restart the kernel would make for these registers. Kernel: arch/x86/kernel/signal.c arch_do_signal_or_restart() */
export function interruptedCall(registers: Registers): Interrupted {
  if (BigInt.asIntN(64, registers.orig_ax) < 0n) return "none"
  const answer = resultRegister(registers)
  if (answer === ERESTARTSYS || answer === ERESTARTNOINTR || answer === ERESTARTNOHAND) return "restart"
  return answer === RESTART_BLOCK ? "restart-block" : "none"
}

/** Number of the interrupted system call. */
export const interruptedNumber = ({ orig_ax }: Pick<Registers, "orig_ax">): number => Number(BigInt.asUintN(32, orig_ax))

/** The registers of a thread that runs its interrupted call again from the start. */
export const rewound = (registers: Registers, number: bigint = registers.orig_ax): Registers => ({
  ...registers,
  ...rewoundFrom(registers, number),
  orig_ax: NO_SYSCALL,
})
const rewoundFrom = ({ ip }: Registers, number: bigint) => ({ ax: number, ip: ip - SYSCALL_SIZE })

/** The registers of a thread whose interrupted call answers EINTR. */
export const interruptedAnswer = (registers: Registers): Registers => ({ ...registers, ax: BigInt.asUintN(64, EINTR), orig_ax: NO_SYSCALL })

/** The registers of a thread whose system call has just answered. */
export const answered = (registers: Registers, answer: bigint): Registers => ({
  ...registers,
  ax: BigInt.asUintN(64, answer),
  orig_ax: NO_SYSCALL,
})

/**
 * The registers of a thread for which the kernel shall call restart_syscall: at the instruction behind the call, as after a wait that was
 * interrupted.
 */
export const restartBlocked = (registers: Registers, number: number): Registers => ({
  ...registers,
  ax: BigInt.asUintN(64, RESTART_BLOCK),
  orig_ax: BigInt(number),
})

/** Bytes of a signal frame with this much extended state behind it, for any 64-aligned start. */
export const frameSize = (xstateSize: number): number => fpstateOffset + xstateSize + 4
const fpstateOffset = Math.ceil(rtSigframe.size / 64) * 64
/** Offset in a frame of the register that a system call answers in. */
export const FRAME_RESULT = BigInt(SIGFRAME_MCONTEXT + sigcontext.fields.ax[0])
/** The stack pointer with which rt_sigreturn finds a frame at `address`. */
export const frameStack = (address: bigint): bigint => address + 8n

/** The registers that change when a thread goes on. */
function resumedFrom(registers: Registers): Pick<Registers, "ax" | "ip"> {
  const call = interruptedCall(registers)
  if (call === "restart") return rewoundFrom(registers, registers.orig_ax)
  return { ax: call === "none" ? registers.ax : BigInt.asUintN(64, EINTR), ip: registers.ip }
}

/**
 * A signal frame that puts a thread back exactly where it was.
 *
 * @param address 64-aligned place of the frame in the task
 * @param returnTo first word of the frame: where a `ret` with the stack pointer at `address` goes
 * @param frame zeros to write it into
 * Kernel: arch/x86/kernel/signal_64.c rt_sigreturn(), arch/x86/kernel/fpu/signal.c
 */
export function signalFrame(
  address: bigint,
  returnTo: bigint,
  registers: Registers,
  xstate: Uint8Array,
  mask: bigint,
  frame: Uint8Array = new Uint8Array(frameSize(xstate.length)),
): Uint8Array {
  const { ax, ip } = resumedFrom(registers)
  encodeInto(rtSigframe, frame, { pretcode: returnTo, uc_flags: UC_FLAGS, ss_flags: SS_LEAVE_ALONE, uc_sigmask: mask })
  const { cs, ss, gs, fs } = registers
  const fpstate = address + BigInt(fpstateOffset)
  const { r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, cx, sp, flags } = registers
  encodeInto(
    sigcontext,
    frame,
    { r8, r9, r10, r11, r12, r13, r14, r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags, cs, ss, gs, fs, fpstate },
    SIGFRAME_MCONTEXT,
  )
  frame.set(xstate, fpstateOffset)
  const xfeatures = new DataView(xstate.buffer, xstate.byteOffset).getBigUint64(512, true)
  frame.fill(0, fpstateOffset + FP_SW_OFFSET, fpstateOffset + 512)
  const reserved = { magic1: FP_XSTATE_MAGIC1, extended_size: xstate.length + 4, xfeatures, xstate_size: xstate.length }
  encodeInto(fpxSwBytes, frame, reserved, fpstateOffset + FP_SW_OFFSET)
  new DataView(frame.buffer, frame.byteOffset).setUint32(fpstateOffset + xstate.length, FP_XSTATE_MAGIC2, true)
  return frame
}

/** Arguments of the system call that a thread sits in or just left, in order. The kernel keeps these registers. */
export const callArguments = ({ di, si, dx, r10, r8, r9 }: Registers): readonly [bigint, bigint, bigint, bigint, bigint, bigint] => [
  di,
  si,
  dx,
  r10,
  r8,
  r9,
]

/** True when the interrupted call answered EINTR for good: the kernel restarts it in no case. */
export const answeredInterrupted = (registers: Registers): boolean =>
  BigInt.asIntN(64, registers.orig_ax) >= 0n && resultRegister(registers) === EINTR

/** Bytes in front of a system call that may load its number: `mov $imm32, %eax`. */
export const CALL_LOAD_SIZE = 5
/** The number that such bytes load; undefined when they are another instruction. */
export function loadedNumber(code: Uint8Array): number | undefined {
  return code[0] === 0xb8 ? new DataView(code.buffer, code.byteOffset).getUint32(1, true) : undefined
}
