import { layout } from "../layout.ts"

/** Argument of prlimit64(2). Header: include/uapi/linux/resource.h */
export const rlimit64 = layout("struct rlimit64", "include/uapi/linux/resource.h", 16, {
  rlim_cur: [0, "u64"],
  rlim_max: [8, "u64"],
})

/** Bytes of a robust list's head, the only length that set_robust_list(2) takes. Header: include/uapi/linux/futex.h */
export const ROBUST_LIST_HEAD_SIZE = 24
