/** Numbers that fields of CRIU's images have, where no enum of a .proto names them. */

/** task_core_entry.task_state. The list of threads of what is dead holds garbage. Authority: REFERENCE 2.2 */
export const TASK = { ALIVE: 1, DEAD: 2, STOPPED: 3 } as const

/** inventory_entry.network_lock_method: how packets of connections were held off. Authority: REFERENCE 1.6 */
export const LOCK_METHOD = { IPTABLES: 0, NFTABLES: 1, SKIP: 2 } as const

/** Bits of vma_entry.status. Authority: REFERENCE 4.2 */
export const VMA = {
  REGULAR: 1 << 0,
  STACK: 1 << 1,
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
  UPROBES: 1 << 17,
  EXT_PLUGIN: 1 << 27,
} as const

/** pagemap_entry.flags. Authority: REFERENCE 4.5 */
export const PE = {
  PARENT: 1, //  content is in the parent set, under the same file name
  LAZY: 2, //    may be brought in after the process runs again: means nothing to a reader that does not serve pages
  PRESENT: 4, // content is in the pages file of this set
} as const
