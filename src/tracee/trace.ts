import { iovec, NT_X86_XSTATE, PTRACE, PTRACE_PEEKSIGINFO_SHARED, peeksiginfoArgs } from "../../ffi/abi/ptrace.ts"
import { type Registers, userRegsStruct } from "../../ffi/abi/registers.x86_64.ts"
import { SIGINFO_SIZE, siginfo } from "../../ffi/abi/signal.ts"
import { usesTiles } from "../../ffi/abi/xsave.x86_64.ts"
import { xstateSize, xstateSizeWithoutTiles } from "../../ffi/cpu.x86_64.ts"
import { decode, encodeInto, encodeWhole } from "../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError, syscall } from "../../ffi/syscall.ts"
import { checkDeadline, type Deadline } from "./wait.ts"

const memory = allocate(64 * 1024)
const STATE = 4096 // where the big answers go
const XSTATE_ROOM = 32 * 1024 // AMX needs 11 KiB

/** One ptrace request with plain arguments. @throws SyscallError ESRCH not stopped or gone · EPERM not allowed */
export const ptrace = (request: keyof typeof PTRACE, tid: number, addr: number | bigint = 0, data: number | bigint = 0): number =>
  syscall("ptrace", PTRACE[request], tid, addr, data)

/** The same; a failure is an answer (-errno). */
export const tryPtrace = (request: keyof typeof PTRACE, tid: number, addr: number | bigint = 0, data: number | bigint = 0): number =>
  attempt("ptrace", PTRACE[request], tid, addr, data)

/** General registers of a stopped thread. */
export function getRegisters(tid: number): Registers {
  ptrace("GETREGS", tid, 0, memory.address + STATE)
  return decode(userRegsStruct, memory.bytes, STATE)
}

/** Where a stopped thread is, and in which system call: for the many of which nothing else is asked. */
export function getPosition(tid: number): Pick<Registers, "ip" | "orig_ax"> {
  ptrace("GETREGS", tid, 0, memory.address + STATE)
  const at = (register: "ip" | "orig_ax"): bigint => memory.view.getBigUint64(STATE + userRegsStruct.fields[register][0], true)
  return { ip: at("ip"), orig_ax: at("orig_ax") }
}

/**
 * Sets all general registers of a stopped thread. orig_ax = -1n (as u64) keeps the kernel from restarting a system call.
 *
 * @param instead some that are set to this
 */
export function setRegisters(tid: number, registers: Registers, instead: Partial<Registers> = {}): void {
  encodeWhole(userRegsStruct, memory.bytes, registers, STATE)
  encodeInto(userRegsStruct, memory.bytes, instead, STATE)
  ptrace("SETREGS", tid, 0, memory.address + STATE)
}

/**
 * Extended state (x87, SSE, AVX, ... PKRU) in the standard layout of XSAVE: as many bytes as this CPU has, but those of AMX tiles that the
 * thread does not use. The kernel gives them to everybody; of a signal frame with more than the thread has room for it takes x87 and SSE,
 * and resets the rest. Kernel: arch/x86/kernel/fpu/signal.c check_xstate_in_sigframe()
 */
export function getXstate(tid: number): Uint8Array {
  encodeInto(iovec, memory.bytes, { iov_base: memory.address + STATE, iov_len: XSTATE_ROOM })
  ptrace("GETREGSET", tid, NT_X86_XSTATE, memory.address)
  const length = Number(memory.view.getBigUint64(8, true))
  const state = memory.bytes.subarray(STATE, STATE + length)
  return state.slice(0, usesTiles(state) ? length : xstateSizeWithoutTiles())
}

/**
 * Sets the extended state: as `getXstate` gives it.
 *
 * @throws SyscallError EINVAL when the layout or a feature does not fit this CPU, or tiles are used, and this thread has not used any
 * Kernel: arch/x86/kernel/fpu/regset.c xstateregs_set(), which takes nothing but all bytes
 */
export function setXstate(tid: number, state: Uint8Array): void {
  const length = Math.max(state.length, xstateSize())
  memory.bytes.set(state, STATE)
  memory.bytes.fill(0, STATE + state.length, STATE + length)
  encodeInto(iovec, memory.bytes, { iov_base: memory.address + STATE, iov_len: length })
  ptrace("SETREGSET", tid, NT_X86_XSTATE, memory.address)
}

/** Blocked signals of a stopped thread, bit N-1 for signal N. */
export function getSignalMask(tid: number): bigint {
  ptrace("GETSIGMASK", tid, 8, memory.address)
  return memory.view.getBigUint64(0, true)
}

/** Sets the blocked signals of a stopped thread; SIGKILL and SIGSTOP stay unblocked whatever is asked. */
export function setSignalMask(tid: number, mask: bigint): void {
  memory.view.setBigUint64(0, mask, true)
  ptrace("SETSIGMASK", tid, 8, memory.address)
}

/** si_code and si_pid of the signal that a thread in signal-delivery-stop is about to get. */
export function getSignalOrigin(tid: number): { readonly code: number; readonly pid: number } {
  ptrace("GETSIGINFO", tid, 0, memory.address)
  const { si_code, si_pid } = siginfo.fields
  return { code: memory.view.getInt32(si_code[0], true), pid: memory.view.getInt32(si_pid[0], true) }
}

/**
 * The pending signals of a stopped thread, oldest first, as raw siginfo_t of 128 bytes.
 *
 * @param shared the queue of the whole process instead of the thread's own
 * @param deadline the kernel counts from the first one for each: a hundred thousand take half a minute
 * @throws CheckpointError E_TIMEOUT · E_INTERRUPTED. Kernel: kernel/ptrace.c ptrace_peek_siginfo()
 */
export function peekSignals(tid: number, shared: boolean, deadline: Deadline): Uint8Array[] {
  const BATCH = 32
  const found: Uint8Array[] = []
  const late = () => ({ found: `${found.length} are read, and there are more`, next: "Let it take its signals, or end who sends them" })
  for (;;) {
    if (found.length > 0) checkDeadline(deadline, `the look at the queued signals of task ${tid}`, late)
    encodeInto(peeksiginfoArgs, memory.bytes, { off: BigInt(found.length), flags: shared ? PTRACE_PEEKSIGINFO_SHARED : 0, nr: BATCH })
    const count = ptrace("PEEKSIGINFO", tid, memory.address, memory.address + STATE)
    // Not "fewer than asked for": the kernel breaks off when a signal arrives here, and the tool's own timer sends one every 20 ms.
    if (count === 0) return found
    for (let i = 0; i < count; i++) found.push(memory.bytes.slice(STATE + i * SIGINFO_SIZE, STATE + (i + 1) * SIGINFO_SIZE))
  }
}

/**
 * Raw answer of PTRACE_GET_RSEQ_CONFIGURATION (24 bytes), or the errno's name where the kernel lacks it (EIO before 5.13).
 *
 * @throws SyscallError ESRCH the thread was killed
 */
export function getRseqConfiguration(tid: number): Uint8Array | string {
  const answer = tryPtrace("GET_RSEQ_CONFIGURATION", tid, 24, memory.address)
  if (answer < 0 && errnoName(-answer) === "ESRCH") throw new SyscallError("ptrace", "ESRCH", [PTRACE.GET_RSEQ_CONFIGURATION, tid])
  return answer < 0 ? errnoName(-answer) : memory.bytes.slice(0, 24)
}

/**
 * From here on a stopped thread goes on as if it were detached when this tool ends, however it ends. Not when the thread is gone.
 *
 * Precondition: its registers are its own, and the signal that it stopped by means nothing to the program: it is delivered then.
 * Kernel: kernel/ptrace.c exit_ptrace()
 */
export function outliveUs(tid: number): void {
  const answer = tryPtrace("SETOPTIONS", tid, 0, 0)
  if (answer < 0 && errnoName(-answer) !== "ESRCH") throw new SyscallError("ptrace", errnoName(-answer), [PTRACE.SETOPTIONS, tid])
}

/** Detaches a stopped thread, delivering `signal` (0 = none). False when the thread is gone. */
export function detach(tid: number, signal = 0): boolean {
  const answer = tryPtrace("DETACH", tid, 0, signal)
  if (answer < 0 && errnoName(-answer) !== "ESRCH") throw new SyscallError("ptrace", errnoName(-answer), [PTRACE.DETACH, tid])
  return answer === 0
}
