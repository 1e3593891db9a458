// Made from proto/core.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { thread_info_aarch64Schema, type thread_info_aarch64 } from "./core-aarch64_pb.ts"
import { thread_info_armSchema, type thread_info_arm } from "./core-arm_pb.ts"
import { thread_info_loongarch64Schema, type thread_info_loongarch64 } from "./core-loongarch64_pb.ts"
import { thread_info_mipsSchema, type thread_info_mips } from "./core-mips_pb.ts"
import { thread_info_ppc64Schema, type thread_info_ppc64 } from "./core-ppc64_pb.ts"
import { thread_info_riscv64Schema, type thread_info_riscv64 } from "./core-riscv64_pb.ts"
import { thread_info_s390Schema, type thread_info_s390 } from "./core-s390_pb.ts"
import { thread_info_x86Schema, type thread_info_x86 } from "./core-x86_pb.ts"
import { creds_entrySchema, type creds_entry } from "./creds_pb.ts"
import { rlimit_entrySchema, type rlimit_entry } from "./rlimit_pb.ts"
import { rseq_entrySchema, type rseq_entry } from "./rseq_pb.ts"
import { sa_entrySchema, type sa_entry } from "./sa_pb.ts"
import { signal_queue_entrySchema, type signal_queue_entry } from "./siginfo_pb.ts"
import { task_timers_entrySchema, type task_timers_entry } from "./timer_pb.ts"

/** prctl(PR_GET_SECCOMP) of a thread, include/uapi/linux/seccomp.h. */
export enum seccomp_mode {
  disabled = 0,
  strict = 1,
  filter = 2,
}

/** core_entry.tc, in the core of the leader only: what the process as a whole has. */
export interface task_core_entry {
  task_state: number
  exit_code: number
  personality: number
  flags: number
  blk_sigset: bigint
  comm: string
  timers?: task_timers_entry
  rlimits?: task_rlimits_entry
  cg_set?: number
  signals_s?: signal_queue_entry
  old_seccomp_mode?: seccomp_mode
  old_seccomp_filter?: number
  loginuid?: number
  oom_score_adj?: number
  sigactions: sa_entry[]
  child_subreaper?: boolean
  blk_sigset_extended?: bigint
  stop_signo?: number
  membarrier_registration_mask?: number
}
export const task_core_entrySchema: Schema<task_core_entry> = schema("task_core_entry", () => [
  { number: 1, name: "task_state", type: "uint32", label: "required" },
  { number: 2, name: "exit_code", type: "uint32", label: "required" },
  { number: 3, name: "personality", type: "uint32", label: "required" },
  { number: 4, name: "flags", type: "uint32", label: "required" },
  { number: 5, name: "blk_sigset", type: "uint64", label: "required" },
  { number: 6, name: "comm", type: "string", label: "required" },
  { number: 7, name: "timers", type: "message", label: "optional", message: () => task_timers_entrySchema },
  { number: 8, name: "rlimits", type: "message", label: "optional", message: () => task_rlimits_entrySchema },
  { number: 9, name: "cg_set", type: "uint32", label: "optional" },
  { number: 10, name: "signals_s", type: "message", label: "optional", message: () => signal_queue_entrySchema },
  { number: 11, name: "old_seccomp_mode", type: "enum", label: "optional", values: seccomp_mode },
  { number: 12, name: "old_seccomp_filter", type: "uint32", label: "optional" },
  { number: 13, name: "loginuid", type: "uint32", label: "optional" },
  { number: 14, name: "oom_score_adj", type: "int32", label: "optional" },
  { number: 15, name: "sigactions", type: "message", label: "repeated", message: () => sa_entrySchema },
  { number: 18, name: "child_subreaper", type: "bool", label: "optional" },
  { number: 20, name: "blk_sigset_extended", type: "uint64", label: "optional" },
  { number: 21, name: "stop_signo", type: "uint32", label: "optional" },
  { number: 22, name: "membarrier_registration_mask", type: "uint32", label: "optional" },
])

/** ids-%u.img, one entry; also inventory_entry.root_ids. Equal numbers = the same kernel object. */
export interface task_kobj_ids_entry {
  vm_id: number
  files_id: number
  fs_id: number
  sighand_id: number
  pid_ns_id?: number
  net_ns_id?: number
  ipc_ns_id?: number
  uts_ns_id?: number
  mnt_ns_id?: number
  user_ns_id?: number
  cgroup_ns_id?: number
  time_ns_id?: number
}
export const task_kobj_ids_entrySchema: Schema<task_kobj_ids_entry> = schema("task_kobj_ids_entry", () => [
  { number: 1, name: "vm_id", type: "uint32", label: "required" },
  { number: 2, name: "files_id", type: "uint32", label: "required" },
  { number: 3, name: "fs_id", type: "uint32", label: "required" },
  { number: 4, name: "sighand_id", type: "uint32", label: "required" },
  { number: 5, name: "pid_ns_id", type: "uint32", label: "optional" },
  { number: 6, name: "net_ns_id", type: "uint32", label: "optional" },
  { number: 7, name: "ipc_ns_id", type: "uint32", label: "optional" },
  { number: 8, name: "uts_ns_id", type: "uint32", label: "optional" },
  { number: 9, name: "mnt_ns_id", type: "uint32", label: "optional" },
  { number: 10, name: "user_ns_id", type: "uint32", label: "optional" },
  { number: 11, name: "cgroup_ns_id", type: "uint32", label: "optional" },
  { number: 12, name: "time_ns_id", type: "uint32", label: "optional" },
])

/** Alternate signal stack; ss_flags 2 = none. */
export interface thread_sas_entry {
  ss_sp: bigint
  ss_size: bigint
  ss_flags: number
}
export const thread_sas_entrySchema: Schema<thread_sas_entry> = schema("thread_sas_entry", () => [
  { number: 1, name: "ss_sp", type: "uint64", label: "required" },
  { number: 2, name: "ss_size", type: "uint64", label: "required" },
  { number: 3, name: "ss_flags", type: "uint32", label: "required" },
])

/** core_entry.thread_core: what each thread has for itself. */
export interface thread_core_entry {
  futex_rla: bigint
  futex_rla_len: number
  sched_nice?: number
  sched_policy?: number
  sched_prio?: number
  blk_sigset?: bigint
  sas?: thread_sas_entry
  pdeath_sig?: number
  signals_p?: signal_queue_entry
  creds?: creds_entry
  seccomp_mode?: seccomp_mode
  seccomp_filter?: number
  comm?: string
  blk_sigset_extended?: bigint
  rseq_entry?: rseq_entry
  cg_set?: number
}
export const thread_core_entrySchema: Schema<thread_core_entry> = schema("thread_core_entry", () => [
  { number: 1, name: "futex_rla", type: "uint64", label: "required" },
  { number: 2, name: "futex_rla_len", type: "uint32", label: "required" },
  { number: 3, name: "sched_nice", type: "sint32", label: "optional" },
  { number: 4, name: "sched_policy", type: "uint32", label: "optional" },
  { number: 5, name: "sched_prio", type: "uint32", label: "optional" },
  { number: 6, name: "blk_sigset", type: "uint64", label: "optional" },
  { number: 7, name: "sas", type: "message", label: "optional", message: () => thread_sas_entrySchema },
  { number: 8, name: "pdeath_sig", type: "uint32", label: "optional" },
  { number: 9, name: "signals_p", type: "message", label: "optional", message: () => signal_queue_entrySchema },
  { number: 10, name: "creds", type: "message", label: "optional", message: () => creds_entrySchema },
  { number: 11, name: "seccomp_mode", type: "enum", label: "optional", values: seccomp_mode },
  { number: 12, name: "seccomp_filter", type: "uint32", label: "optional" },
  { number: 13, name: "comm", type: "string", label: "optional" },
  { number: 14, name: "blk_sigset_extended", type: "uint64", label: "optional" },
  { number: 15, name: "rseq_entry", type: "message", label: "optional", message: () => rseq_entrySchema },
  { number: 16, name: "cg_set", type: "uint32", label: "optional" },
])

/** Limits, the index is the RLIMIT_ number. */
export interface task_rlimits_entry {
  rlimits: rlimit_entry[]
}
export const task_rlimits_entrySchema: Schema<task_rlimits_entry> = schema("task_rlimits_entry", () => [
  { number: 1, name: "rlimits", type: "message", label: "repeated", message: () => rlimit_entrySchema },
])

/** Architecture of the dumping host; a restore on another is refused. */
export enum core_entry_march {
  UNKNOWN = 0,
  X86_64 = 1,
  ARM = 2,
  AARCH64 = 3,
  PPC64 = 4,
  S390 = 5,
  MIPS = 6,
  LOONGARCH64 = 7,
  RISCV64 = 8,
}

/** core-%u.img, one entry. */
export interface core_entry {
  mtype: core_entry_march
  thread_info?: thread_info_x86
  tc?: task_core_entry
  ids?: task_kobj_ids_entry
  thread_core?: thread_core_entry
  ti_arm?: thread_info_arm
  ti_aarch64?: thread_info_aarch64
  ti_ppc64?: thread_info_ppc64
  ti_s390?: thread_info_s390
  ti_mips?: thread_info_mips
  ti_loongarch64?: thread_info_loongarch64
  ti_riscv64?: thread_info_riscv64
}
export const core_entrySchema: Schema<core_entry> = schema("core_entry", () => [
  { number: 1, name: "mtype", type: "enum", label: "required", values: core_entry_march },
  { number: 2, name: "thread_info", type: "message", label: "optional", message: () => thread_info_x86Schema },
  { number: 3, name: "tc", type: "message", label: "optional", message: () => task_core_entrySchema },
  { number: 4, name: "ids", type: "message", label: "optional", message: () => task_kobj_ids_entrySchema },
  { number: 5, name: "thread_core", type: "message", label: "optional", message: () => thread_core_entrySchema },
  { number: 6, name: "ti_arm", type: "message", label: "optional", message: () => thread_info_armSchema },
  { number: 8, name: "ti_aarch64", type: "message", label: "optional", message: () => thread_info_aarch64Schema },
  { number: 9, name: "ti_ppc64", type: "message", label: "optional", message: () => thread_info_ppc64Schema },
  { number: 10, name: "ti_s390", type: "message", label: "optional", message: () => thread_info_s390Schema },
  { number: 11, name: "ti_mips", type: "message", label: "optional", message: () => thread_info_mipsSchema },
  { number: 12, name: "ti_loongarch64", type: "message", label: "optional", message: () => thread_info_loongarch64Schema },
  { number: 13, name: "ti_riscv64", type: "message", label: "optional", message: () => thread_info_riscv64Schema },
])
