import { layout } from "../layout.ts"

/** Flags of clone3(2) and its kin. Header: include/uapi/linux/sched.h */
export const CLONE = {
  NEWTIME: 0x80, // since Linux 5.6; of unshare(2), setns(2) and clone3(2)
  VM: 0x100,
  FS: 0x200,
  FILES: 0x400,
  SIGHAND: 0x800,
  PTRACE: 0x2000,
  VFORK: 0x4000,
  PARENT: 0x8000,
  THREAD: 0x10000,
  NEWNS: 0x20000,
  SYSVSEM: 0x40000,
  PARENT_SETTID: 0x100000,
  CHILD_CLEARTID: 0x200000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  CLEAR_SIGHAND: 0x100000000, // since Linux 5.5; of clone3(2) alone; beyond the 32 bits of |, so to be added
} as const

/** What a thread shares with the others of its process. */
export const THREAD_FLAGS = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM

/** Argument of clone3(2); set_tid since Linux 5.5. */
export const cloneArgs = layout("struct clone_args", "include/uapi/linux/sched.h", 88, {
  flags: [0, "u64"],
  pidfd: [8, "u64"],
  child_tid: [16, "u64"],
  parent_tid: [24, "u64"],
  exit_signal: [32, "u64"],
  stack: [40, "u64"],
  stack_size: [48, "u64"],
  tls: [56, "u64"],
  set_tid: [64, "u64"], // address of pid_t[set_tid_size], innermost PID namespace first
  set_tid_size: [72, "u64"],
  cgroup: [80, "u64"],
})
