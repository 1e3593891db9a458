import { layout } from "../layout.ts"

/**
 * A thread's area, shared with the kernel: the 32 bytes that every registration has. Header: include/uapi/linux/rseq.h
 *
 * The kernel writes cpu_id_start, cpu_id, node_id and mm_cid; the program sets rseq_cs, and both clear it. Later kernels put more
 * behind (Linux 7.0: slice control at 28); how much of it the kernel fills is AT_RSEQ_FEATURE_SIZE, how much a thread
 * registered is its own length.
 */
export const rseqArea = layout("struct rseq", "include/uapi/linux/rseq.h", 32, {
  cpu_id_start: [0, "u32"],
  cpu_id: [4, "u32"], //  CPU_ID_UNINITIALIZED, CPU_ID_REGISTRATION_FAILED or a CPU
  rseq_cs: [8, "u64"], // address of the active struct rseq_cs; 0 = none
  flags: [16, "u32"], //  RSEQ_CS_FLAG bits; kernel feature bits above them since Linux 7.0
  node_id: [20, "u32"], // since Linux 6.3
  mm_cid: [24, "u32"], // since Linux 6.3
})

/** What describes a critical section, 32-byte aligned and normally read-only. Header: include/uapi/linux/rseq.h */
export const rseqDescriptor = layout("struct rseq_cs", "include/uapi/linux/rseq.h", 32, {
  version: [0, "u32"], // 0
  flags: [4, "u32"], //   RSEQ_CS_FLAG bits
  start_ip: [8, "u64"],
  post_commit_offset: [16, "u64"], // bytes from start_ip to the first instruction behind the section
  abort_ip: [24, "u64"], //           the four bytes in front of it are the registered signature
})

/** Flags of a section. Linux 6.1 to 6.18 kill a thread that has any inside one, later kernels ignore them. */
export const RSEQ_CS_FLAG = { NO_RESTART_ON_PREEMPT: 1, NO_RESTART_ON_SIGNAL: 2, NO_RESTART_ON_MIGRATE: 4 } as const

/** What the kernel itself writes into `flags`, since Linux 7.0, at each registration: that time slices can be longer here, and are. */
export const RSEQ_CS_FLAG_KERNEL = { SLICE_EXT_AVAILABLE: 0x10, SLICE_EXT_ENABLED: 0x20 } as const

/** Flag of rseq(2) that ends a registration; it wants the same address, length and signature. */
export const RSEQ_FLAG_UNREGISTER = 1

/** Bytes and alignment that every kernel takes; up to Linux 6.2 the only length. */
export const RSEQ_ORIGINAL_SIZE = 32
/** What a kernel fills in that does not say AT_RSEQ_FEATURE_SIZE: up to `flags`. */
export const RSEQ_ORIGINAL_FEATURES = 20

/** Values of cpu_id that are no CPU. */
export const CPU_ID_UNINITIALIZED = 0xffffffff
export const CPU_ID_REGISTRATION_FAILED = 0xfffffffe
