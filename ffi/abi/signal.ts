import { layout } from "../layout.ts"

/** Signals by number; the same on x86-64 and aarch64. Header: include/uapi/asm-generic/signal.h */
export const SIG = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  SEGV: 11,
  PIPE: 13,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XFSZ: 25,
  VTALRM: 26,
  WINCH: 28,
  PWR: 30,
  SYS: 31,
} as const

export const NSIG = 64
/** Bit of a signal in a 64-bit set. */
export const sigbit = (signal: number): bigint => 1n << BigInt(signal - 1)
export const ALL_SIGNALS = (1n << 64n) - 1n
/** What rt_sigprocmask(2) does with a mask. Header: include/uapi/asm-generic/signal-defs.h */
export const SIG_HOW = { BLOCK: 0, UNBLOCK: 1, SETMASK: 2 } as const
/** Who sent a signal: si_code. Header: include/uapi/asm-generic/siginfo.h */
export const SI = { USER: 0, TKILL: -6 } as const

/** The kernel's own struct sigaction (rt_sigaction(2) takes sigsetsize 8). Header: include/linux/signal_types.h */
export const kernelSigaction = layout("struct kernel_sigaction", "include/linux/signal_types.h", 32, {
  sa_handler: [0, "u64"],
  sa_flags: [8, "u64"],
  sa_restorer: [16, "u64"],
  sa_mask: [24, "u64"],
})
export const SA = { SIGINFO: 4, RESTORER: 0x04000000, ONSTACK: 0x08000000, RESTART: 0x10000000 } as const
export const SIG_IGN = 1n

/** Alternate stack. Header: include/uapi/asm-generic/signal-defs.h */
export const stackT = layout("stack_t", "signal.h", 24, {
  ss_sp: [0, "u64"],
  ss_flags: [8, "i32"],
  ss_size: [16, "u64"],
})
export const SS_DISABLE = 2

/** Bytes of a siginfo_t. */
export const SIGINFO_SIZE = 128
/** Head of a siginfo_t. */
export const siginfo = layout("siginfo_t", "signal.h", 128, {
  si_signo: [0, "i32"],
  si_errno: [4, "i32"],
  si_code: [8, "i32"],
  si_pid: [16, "i32"], // of kill, tgkill, sigqueue
})
