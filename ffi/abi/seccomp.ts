import { layout } from "../layout.ts"

/** What PR_GET_SECCOMP and /proc/PID/status call a thread's mode. Header: include/uapi/linux/seccomp.h */
export const SECCOMP_MODE = { DISABLED: 0, STRICT: 1, FILTER: 2 } as const

/** Operation of seccomp(2) that installs a filter. */
export const SECCOMP_SET_MODE_FILTER = 1
/** Flags of SECCOMP_SET_MODE_FILTER that restores use. */
export const SECCOMP_FILTER_FLAG = { TSYNC: 1, LOG: 2, SPEC_ALLOW: 4 } as const

/** The high half of what a filter answers. Of several filters the lowest, as a signed number, counts. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x80000000,
  KILL_THREAD: 0,
  TRAP: 0x00030000,
  ERRNO: 0x00050000,
  USER_NOTIF: 0x7fc00000,
  TRACE: 0x7ff00000,
  LOG: 0x7ffc0000,
  ALLOW: 0x7fff0000,
} as const
export const SECCOMP_RET_ACTION_FULL = 0xffff0000

/** Option of prctl(2) that turns strict mode on; the second argument is the mode. Header: include/uapi/linux/prctl.h */
export const PR_SET_SECCOMP = 22

/** What a filter looks at. */
export const seccompData = layout("struct seccomp_data", "include/uapi/linux/seccomp.h", 64, {
  nr: [0, "i32"],
  arch: [4, "u32"],
  instruction_pointer: [8, "u64"],
  args: [16, "u64"], // six of them
})
/** Argument of PTRACE_SECCOMP_GET_METADATA: number of the filter in, its flags out. */
export const seccompMetadata = layout("struct seccomp_metadata", "include/uapi/linux/ptrace.h", 16, {
  filter_off: [0, "u64"],
  flags: [8, "u64"],
})
/** One instruction of a filter. */
export const sockFilter = layout("struct sock_filter", "include/uapi/linux/filter.h", 8, {
  code: [0, "u16"],
  jt: [2, "u8"],
  jf: [3, "u8"],
  k: [4, "u32"],
})
/** A filter as seccomp(2) takes it. */
export const sockFprog = layout("struct sock_fprog", "include/uapi/linux/filter.h", 16, {
  len: [0, "u16"], // instructions
  filter: [8, "u64"], // address
})
/** Most instructions of one filter. Header: include/uapi/linux/bpf_common.h BPF_MAXINSNS */
export const MOST_INSTRUCTIONS = 4096

/** What seccomp_data.arch says of native calls. Header: include/uapi/linux/audit.h */
export const AUDIT_ARCH_X86_64 = 0xc000003e
