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

/** Number of a capability. Header: include/uapi/linux/capability.h */
export const CAP_SYS_ADMIN = 21
export const CAP_SYS_TIME = 25

/** Secure bit: user ID changes leave capabilities as they are. Header: include/uapi/linux/securebits.h */
export const SECBIT_NO_SETUID_FIXUP = 1 << 2
