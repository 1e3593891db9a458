/** Options of prctl(2). Header: include/uapi/linux/prctl.h */
export const PR = {
  SET_PDEATHSIG: 1,
  GET_PDEATHSIG: 2,
  GET_DUMPABLE: 3,
  SET_DUMPABLE: 4,
  SET_NAME: 15,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  GET_TSC: 25,
  SET_TSC: 26,
  GET_SECUREBITS: 27,
  SET_SECUREBITS: 28,
  SET_TIMERSLACK: 29,
  GET_TIMERSLACK: 30,
  MCE_KILL: 33,
  MCE_KILL_GET: 34,
  SET_CHILD_SUBREAPER: 36,
  GET_CHILD_SUBREAPER: 37,
  SET_NO_NEW_PRIVS: 38,
  GET_TID_ADDRESS: 40,
  SET_THP_DISABLE: 41,
  GET_THP_DISABLE: 42,
  CAP_AMBIENT: 47,
  GET_SPECULATION_CTRL: 52,
  SET_SPECULATION_CTRL: 53,
  SET_IO_FLUSHER: 57,
  GET_IO_FLUSHER: 58,
  SCHED_CORE: 62,
  SET_MDWE: 65, //                 since 6.3
  GET_MDWE: 66,
  SET_MEMORY_MERGE: 67, //         since 6.4
  GET_MEMORY_MERGE: 68,
  TIMER_CREATE_RESTORE_IDS: 77, // since 6.15
  FUTEX_HASH: 78, //               since 6.16
  RSEQ_SLICE_EXTENSION: 79, //     since 7.0
} as const

/** Bytes of a thread's name with its NUL. Header: include/linux/sched.h TASK_COMM_LEN */
export const TASK_COMM_LEN = 16

/** Arguments of PR_TIMER_CREATE_RESTORE_IDS. */
export const PR_TIMER_CREATE_RESTORE_IDS_OFF = 0
export const PR_TIMER_CREATE_RESTORE_IDS_ON = 1
export const PR_TIMER_CREATE_RESTORE_IDS_GET = 2

/** Operations of PR_FUTEX_HASH. */
export const PR_FUTEX_HASH = { SET_SLOTS: 1, GET_SLOTS: 2 } as const

/** Operations of PR_RSEQ_SLICE_EXTENSION, and the one bit that they read and set. */
export const PR_RSEQ_SLICE_EXTENSION = { GET: 1, SET: 2 } as const
export const PR_RSEQ_SLICE_EXT_ENABLE = 1

/** Operations of PR_CAP_AMBIENT. */
export const PR_CAP_AMBIENT = { RAISE: 2, CLEAR_ALL: 4 } as const

/** Misfeatures of PR_GET_SPECULATION_CTRL by number: store bypass, indirect branch, L1D flush. */
export const SPECULATION_COUNT = 3
/** Answer bits of PR_GET_SPECULATION_CTRL: the task may choose; speculation is on, as by default. */
export const PR_SPEC_PRCTL = 1
export const PR_SPEC_ENABLE = 2

/** PR_GET_TSC where reading the counter is allowed, the default. */
export const PR_TSC_ENABLE = 1
/** PR_MCE_KILL with its sub-options, and the policy of who never asked for one. */
export const PR_MCE_KILL_CLEAR = 0
export const PR_MCE_KILL_SET = 1
export const PR_MCE_KILL_DEFAULT = 2

/** PR_SCHED_CORE of one thread: reads its cookie, 0 = none. */
export const PR_SCHED_CORE_GET = 0
export const PR_SCHED_CORE_SCOPE_THREAD = 0

/** Options of arch_prctl(2), x86 only: other architectures answer ENOSYS. Header: arch/x86/include/uapi/asm/prctl.h */
export const ARCH = {
  GET_CPUID: 0x1011,
  SET_CPUID: 0x1012,
  GET_UNTAG_MASK: 0x4001,
  GET_XCOMP_PERM: 0x1022,
  REQ_XCOMP_PERM: 0x1023,
  GET_XCOMP_GUEST_PERM: 0x1024,
  REQ_XCOMP_GUEST_PERM: 0x1025,
} as const

/** modify_ldt(2), x86 only: reads the local descriptor table; bytes of an entry. Header: arch/x86/include/uapi/asm/ldt.h */
export const MODIFY_LDT_READ = 0
export const LDT_ENTRY_SIZE = 8

/** personality(2) with this argument only reads. Man page: personality(2) */
export const PERSONALITY_READ = 0xffffffff

/**
 * A ptrace request that reads whether system calls are dispatched to user space, into 32 bytes. Since 6.4. Header:
 * include/uapi/linux/ptrace.h
 */
export const PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211
export const SYSCALL_USER_DISPATCH_CONFIG_SIZE = 32
