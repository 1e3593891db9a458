import { layout } from "../layout.ts"

/** Header: include/uapi/asm-generic/mman-common.h */
export const PROT = { NONE: 0, READ: 1, WRITE: 2, EXEC: 4 } as const

/** Header: include/uapi/linux/mman.h, include/uapi/asm-generic/mman-common.h, mman.h */
export const MAP = {
  SHARED: 0x1,
  PRIVATE: 0x2,
  DROPPABLE: 0x8,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x100,
  LOCKED: 0x2000,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  HUGETLB: 0x40000,
  HUGE_SHIFT: 26, // where the binary logarithm of the page size stands, in MFD_ and SHM_ flags too
  HUGE_MASK: 0x3f,
  FIXED_NOREPLACE: 0x100000,
} as const

/** Header: include/uapi/asm-generic/mman-common.h */
export const MADV = {
  RANDOM: 1,
  SEQUENTIAL: 2,
  DONTNEED: 4,
  REMOVE: 9,
  DONTFORK: 10,
  MERGEABLE: 12,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  WIPEONFORK: 18,
  POPULATE_WRITE: 23,
  GUARD_INSTALL: 102,
} as const

/** Flag of mlock2(2): pages are locked when they are touched. Header: include/uapi/asm-generic/mman.h */
export const MLOCK_ONFAULT = 1

/** Flags of mlockall(2): areas to come, and only pages that are touched. Header: include/uapi/asm-generic/mman.h */
export const MCL = { FUTURE: 2, ONFAULT: 4 } as const

export const MREMAP = { MAYMOVE: 1, FIXED: 2 } as const

/** Argument of the PAGEMAP_SCAN ioctl of /proc/PID/pagemap. Since Linux 6.7. */
export const pmScanArg = layout("struct pm_scan_arg", "include/uapi/linux/fs.h", 96, {
  size: [0, "u64"],
  flags: [8, "u64"],
  start: [16, "u64"],
  end: [24, "u64"],
  walk_end: [32, "u64"],
  vec: [40, "u64"],
  vec_len: [48, "u64"],
  max_pages: [56, "u64"],
  category_inverted: [64, "u64"],
  category_mask: [72, "u64"],
  category_anyof_mask: [80, "u64"],
  return_mask: [88, "u64"],
})
export const pageRegion = layout("struct page_region", "include/uapi/linux/fs.h", 24, {
  start: [0, "u64"],
  end: [8, "u64"],
  categories: [16, "u64"],
})
/** _IOWR('f', 16, struct pm_scan_arg) */
export const PAGEMAP_SCAN = 0xc0606610
/** Header: include/uapi/linux/fs.h. GUARD since Linux 6.15. */
export const PAGE_IS = { FILE: 1n << 2n, PRESENT: 1n << 3n, SWAPPED: 1n << 4n, PFNZERO: 1n << 5n, HUGE: 1n << 6n, GUARD: 1n << 8n } as const

/** Bits of an entry of /proc/PID/pagemap. Documentation/admin-guide/mm/pagemap.rst */
export const PM = { GUARD: 1n << 58n, FILE: 1n << 61n, SWAP: 1n << 62n, PRESENT: 1n << 63n } as const

/** Bounds of an address space for prctl(PR_SET_MM, PR_SET_MM_MAP). */
export const prctlMmMap = layout("struct prctl_mm_map", "include/uapi/linux/prctl.h", 104, {
  start_code: [0, "u64"],
  end_code: [8, "u64"],
  start_data: [16, "u64"],
  end_data: [24, "u64"],
  start_brk: [32, "u64"],
  brk: [40, "u64"],
  start_stack: [48, "u64"],
  arg_start: [56, "u64"],
  arg_end: [64, "u64"],
  env_start: [72, "u64"],
  env_end: [80, "u64"],
  auxv: [88, "u64"],
  auxv_size: [96, "u32"], // bytes
  exe_fd: [100, "u32"],
})
export const PR_SET_MM = 35
export const PR_SET_MM_MAP = 14
/** Names an anonymous area. Header: include/uapi/linux/prctl.h */
export const PR_SET_VMA = 0x53564d41
export const PR_SET_VMA_ANON_NAME = 0

/** First address that no user mapping can have on this architecture with four-level page tables. */
export const TASK_SIZE = 0x7ffffffff000n
