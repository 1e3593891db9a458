import { layout } from "../layout.ts"

/** Scheduling policies. Header: include/uapi/linux/sched.h */
export const SCHED = { OTHER: 0, FIFO: 1, RR: 2, BATCH: 3, IDLE: 5, DEADLINE: 6, EXT: 7 } as const
/** Or'ed into the policy that sched_getscheduler(2) answers; sched_setattr(2) has a flag instead. */
export const SCHED_RESET_ON_FORK = 0x40000000

/** Flags of sched_setattr(2). Header: include/uapi/linux/sched.h */
export const SCHED_FLAG = {
  RESET_ON_FORK: 1,
  RECLAIM: 2,
  DL_OVERRUN: 4,
  KEEP_POLICY: 8,
  KEEP_PARAMS: 0x10,
  UTIL_CLAMP_MIN: 0x20,
  UTIL_CLAMP_MAX: 0x40,
} as const

/** Argument of sched_setattr(2) and sched_getattr(2). Header: include/uapi/linux/sched/types.h; size 48 before 5.3. */
export const schedAttr = layout("struct sched_attr", "include/uapi/linux/sched/types.h", 56, {
  size: [0, "u32"],
  sched_policy: [4, "u32"],
  sched_flags: [8, "u64"],
  sched_nice: [16, "i32"],
  sched_priority: [20, "u32"],
  sched_runtime: [24, "u64"], //  ns; of a fair task its slice, since 6.12
  sched_deadline: [32, "u64"], // ns
  sched_period: [40, "u64"], //   ns
  sched_util_min: [48, "u32"], // 0 to 1024
  sched_util_max: [52, "u32"],
})

/** `which` of getpriority(2), setpriority(2): one thread. Header: include/uapi/linux/resource.h */
export const PRIO_PROCESS = 0
/** The raw system call answers this minus the nice value, so that it is never negative. Kernel: kernel/sys.c getpriority() */
export const NICE_OFFSET = 20

/** `which` of ioprio_get(2): one thread. Header: include/uapi/linux/ioprio.h */
export const IOPRIO_WHO_PROCESS = 1

/** Commands of membarrier(2). Header: include/uapi/linux/membarrier.h */
export const MEMBARRIER = {
  PRIVATE_EXPEDITED: 1 << 3,
  REGISTER_PRIVATE_EXPEDITED: 1 << 4,
  PRIVATE_EXPEDITED_SYNC_CORE: 1 << 5,
  REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: 1 << 6,
  PRIVATE_EXPEDITED_RSEQ: 1 << 7,
  REGISTER_PRIVATE_EXPEDITED_RSEQ: 1 << 8,
  GET_REGISTRATIONS: 1 << 9, // since 6.3
} as const
