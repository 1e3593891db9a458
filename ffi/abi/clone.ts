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
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
} as const

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

/** Head of an ELF64 file and of one of its segments. Header: include/uapi/linux/elf.h */
export const elfHeader = layout("Elf64_Ehdr", "elf.h", 64, {
  magic: [0, "u32"],
  class: [4, "u8"],
  data: [5, "u8"],
  version: [6, "u8"],
  e_type: [16, "u16"],
  e_machine: [18, "u16"],
  e_version: [20, "u32"],
  e_entry: [24, "u64"],
  e_phoff: [32, "u64"],
  e_ehsize: [52, "u16"],
  e_phentsize: [54, "u16"],
  e_phnum: [56, "u16"],
})
export const elfSegment = layout("Elf64_Phdr", "elf.h", 56, {
  p_type: [0, "u32"],
  p_flags: [4, "u32"],
  p_offset: [8, "u64"],
  p_vaddr: [16, "u64"],
  p_paddr: [24, "u64"],
  p_filesz: [32, "u64"],
  p_memsz: [40, "u64"],
  p_align: [48, "u64"],
})
