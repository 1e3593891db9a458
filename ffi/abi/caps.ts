import { layout } from "../layout.ts"

/** Head of capget(2) and capset(2); pid 0 = the calling thread. Header: include/uapi/linux/capability.h */
export const capHeader = layout("struct __user_cap_header_struct", "include/uapi/linux/capability.h", 8, {
  version: [0, "u32"],
  pid: [4, "i32"],
})
/** The version with 64-bit sets. */
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522

/** One half of the sets; two of them follow each other, low half first. Header: include/uapi/linux/capability.h */
export const capData = layout("struct __user_cap_data_struct", "include/uapi/linux/capability.h", 12, {
  effective: [0, "u32"],
  permitted: [4, "u32"],
  inheritable: [8, "u32"],
})

/** Numbers of the capabilities that stasis uses. Header: include/uapi/linux/capability.h */
export const CAP = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  DAC_READ_SEARCH: 2,
  FOWNER: 3,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_ADMIN: 12,
  NET_RAW: 13,
  IPC_LOCK: 14,
  IPC_OWNER: 15,
  SYS_CHROOT: 18,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
  AUDIT_CONTROL: 30,
  SYS_TIME: 25,
  CHECKPOINT_RESTORE: 40, // since 5.9
} as const

/** Secure bit: user ID changes leave capabilities as they are. Header: include/uapi/linux/securebits.h */
export const SECBIT_NO_SETUID_FIXUP = 1 << 2
