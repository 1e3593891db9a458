/** Bits of vma_entry.status, as CRIU's images have them. Authority: REFERENCE 4.2. */
export const VMA = {
  REGULAR: 1 << 0,
  VSYSCALL: 1 << 2,
  VDSO: 1 << 3,
  HEAP: 1 << 5,
  FILE_PRIVATE: 1 << 6,
  FILE_SHARED: 1 << 7,
  ANON_SHARED: 1 << 8,
  ANON_PRIVATE: 1 << 9,
  SYSVIPC: 1 << 10,
  SOCKET: 1 << 11,
  VVAR: 1 << 12,
  AIORING: 1 << 13,
  MEMFD: 1 << 14,
  SHSTK: 1 << 15,
  GUARD: 1 << 16,
  EXT_PLUGIN: 1 << 27,
} as const

/** Flags of a pagemap_entry. */
export const PE = { PARENT: 1, LAZY: 2, PRESENT: 4 } as const

/** vma_entry.madv bits and the two-letter flag of /proc/PID/smaps that shows each. Kernel: fs/proc/task_mmu.c show_smap_vma_flags() */
export const ADVICE: readonly (readonly [vmFlag: string, advice: number])[] = [
  ["rr", 1], //  MADV_RANDOM
  ["sr", 2], //  MADV_SEQUENTIAL
  ["dc", 10], // MADV_DONTFORK
  ["mg", 12], // MADV_MERGEABLE
  ["hg", 14], // MADV_HUGEPAGE
  ["nh", 15], // MADV_NOHUGEPAGE
  ["dd", 16], // MADV_DONTDUMP
  ["wf", 18], // MADV_WIPEONFORK
]
