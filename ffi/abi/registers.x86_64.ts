import { type Decoded, layout } from "../layout.ts"

/** General registers as PTRACE_GETREGS gives them. Header: arch/x86/include/asm/user_64.h */
export const userRegsStruct = layout("struct user_regs_struct", "sys/user.h", 216, {
  r15: [0, "u64"],
  r14: [8, "u64"],
  r13: [16, "u64"],
  r12: [24, "u64"],
  bp: [32, "u64"],
  bx: [40, "u64"],
  r11: [48, "u64"],
  r10: [56, "u64"],
  r9: [64, "u64"],
  r8: [72, "u64"],
  ax: [80, "u64"],
  cx: [88, "u64"],
  dx: [96, "u64"],
  si: [104, "u64"],
  di: [112, "u64"],
  orig_ax: [120, "u64"],
  ip: [128, "u64"],
  cs: [136, "u64"],
  flags: [144, "u64"],
  sp: [152, "u64"],
  ss: [160, "u64"],
  fs_base: [168, "u64"],
  gs_base: [176, "u64"],
  ds: [184, "u64"],
  es: [192, "u64"],
  fs: [200, "u64"],
  gs: [208, "u64"],
})
export type Registers = Decoded<typeof userRegsStruct>

/** Code segment of 64-bit programs in user space. Header: arch/x86/include/asm/segment.h */
export const USER_CS = 0x33n
/** The same of 32-bit code. */
export const USER32_CS = 0x23n
/** The words cs, gs, fs and ss of a signal frame of 64-bit code, as one. Kernel: arch/x86/kernel/signal_64.c */
export const SEGMENTS_OF_USER = 0x002b_0000_0000_0033n

/** Members of struct sigcontext_64 that a signal frame carries, by offset from the start of uc_mcontext. */
export const sigcontext = layout("struct sigcontext", "arch/x86/include/uapi/asm/sigcontext.h", 256, {
  r8: [0, "u64"],
  r9: [8, "u64"],
  r10: [16, "u64"],
  r11: [24, "u64"],
  r12: [32, "u64"],
  r13: [40, "u64"],
  r14: [48, "u64"],
  r15: [56, "u64"],
  di: [64, "u64"],
  si: [72, "u64"],
  bp: [80, "u64"],
  bx: [88, "u64"],
  dx: [96, "u64"],
  ax: [104, "u64"],
  cx: [112, "u64"],
  sp: [120, "u64"],
  ip: [128, "u64"],
  flags: [136, "u64"],
  cs: [144, "u16"],
  gs: [146, "u16"],
  fs: [148, "u16"],
  ss: [150, "u16"],
  err: [152, "u64"],
  trapno: [160, "u64"],
  oldmask: [168, "u64"],
  cr2: [176, "u64"],
  fpstate: [184, "u64"],
})

/**
 * A signal frame as rt_sigreturn reads it: the stack pointer is 8 above its start (the return address is already popped).
 * Offsets in bytes: ucontext at 8, with uc_flags, uc_link, uc_stack, then the sigcontext, then the mask.
 */
export const rtSigframe = layout("struct rt_sigframe", "arch/x86/include/asm/sigframe.h", 440, {
  pretcode: [0, "u64"],
  uc_flags: [8, "u64"],
  uc_link: [16, "u64"],
  ss_sp: [24, "u64"],
  ss_flags: [32, "i32"],
  ss_size: [40, "u64"],
  uc_sigmask: [304, "u64"],
})
export const SIGFRAME_MCONTEXT = 48

/** UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS: the frame carries extended state and a valid ss. */
export const UC_FLAGS = 7n
/** No such stack: rt_sigreturn's restore_altstack() ignores the error and leaves the thread's alternate stack alone. */
export const SS_LEAVE_ALONE = 0x7f

/** Software-reserved bytes of the fxsave area and the mark behind the state. Header: arch/x86/include/uapi/asm/sigcontext.h */
export const FP_XSTATE_MAGIC1 = 0x46505853
export const FP_XSTATE_MAGIC2 = 0x46505845
export const fpxSwBytes = layout("struct _fpx_sw_bytes", "arch/x86/include/uapi/asm/sigcontext.h", 48, {
  magic1: [0, "u32"],
  extended_size: [4, "u32"], // bytes with the mark behind
  xfeatures: [8, "u64"],
  xstate_size: [16, "u32"], // bytes
})
export const FP_SW_OFFSET = 464
