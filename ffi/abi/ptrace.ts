import { layout } from "../layout.ts"

/** Requests of ptrace(2). Header: include/uapi/linux/ptrace.h, arch/x86/include/uapi/asm/ptrace-abi.h */
export const PTRACE = {
  POKEDATA: 5,
  CONT: 7,
  GETREGS: 12,
  SETREGS: 13,
  DETACH: 17,
  SYSCALL: 24,
  SETOPTIONS: 0x4200,
  GETSIGINFO: 0x4202,
  GETREGSET: 0x4204,
  SETREGSET: 0x4205,
  SEIZE: 0x4206,
  INTERRUPT: 0x4207,
  LISTEN: 0x4208,
  PEEKSIGINFO: 0x4209,
  GETSIGMASK: 0x420a,
  SETSIGMASK: 0x420b,
  SECCOMP_GET_FILTER: 0x420c,
  SECCOMP_GET_METADATA: 0x420d,
  GET_RSEQ_CONFIGURATION: 0x420f,
} as const

/** Options of PTRACE_SEIZE and PTRACE_SETOPTIONS. */
export const PTRACE_O = {
  TRACESYSGOOD: 1,
  EXITKILL: 1 << 20,
  SUSPEND_SECCOMP: 1 << 21,
} as const

/** Event in bits 16-23 of a wait status: a stop asked for by PTRACE_INTERRUPT, a group stop, or a new auto-attached task. */
export const PTRACE_EVENT_STOP = 128

/** PTRACE_PEEKSIGINFO reads the queue shared by all threads with this flag, the thread's own without. */
export const PTRACE_PEEKSIGINFO_SHARED = 1

/** Argument of PTRACE_PEEKSIGINFO. `nr` entries of 128 bytes are wanted, from entry `off`. */
export const peeksiginfoArgs = layout("struct ptrace_peeksiginfo_args", "include/uapi/linux/ptrace.h", 16, {
  off: [0, "u64"],
  flags: [8, "u32"],
  nr: [12, "i32"],
})

/** Where a stopped thread registered its rseq area. Since Linux 5.13. */
export const rseqConfiguration = layout("struct __ptrace_rseq_configuration", "include/uapi/linux/ptrace.h", 24, {
  rseq_abi_pointer: [0, "u64"], // address in the task; 0 = never registered
  rseq_abi_size: [8, "u32"], // bytes
  signature: [12, "u32"], // the four bytes in front of every abort address
  flags: [16, "u32"], // 0 today; bytes 20-23 are padding
})

/** Note types of PTRACE_GETREGSET. Header: include/uapi/linux/elf.h */
export const NT_X86_XSTATE = 0x202

/** Notes of PTRACE_GETREGSET take their buffer through this. */
export const iovec = layout("struct iovec", "include/uapi/linux/uio.h", 16, {
  iov_base: [0, "u64"],
  iov_len: [8, "u64"],
})
