import { expect, test } from "bun:test"
import { core_entrySchema, task_core_entrySchema, task_kobj_ids_entrySchema, thread_core_entrySchema } from "../../proto/gen/core_pb.ts"
import {
  thread_info_x86Schema,
  user_x86_fpregs_entrySchema,
  user_x86_regs_entrySchema,
  user_x86_xsave_entrySchema,
} from "../../proto/gen/core-x86_pb.ts"
import { fd_types, fdinfo_entrySchema, file_entrySchema } from "../../proto/gen/fdinfo_pb.ts"
import { inventory_entrySchema } from "../../proto/gen/inventory_pb.ts"
import { mm_entrySchema } from "../../proto/gen/mm_pb.ts"
import { pagemap_entrySchema, pagemap_headSchema } from "../../proto/gen/pagemap_pb.ts"
import { pstree_entrySchema } from "../../proto/gen/pstree_pb.ts"
import { reg_file_entrySchema } from "../../proto/gen/regfile_pb.ts"
import { rseq_entrySchema } from "../../proto/gen/rseq_pb.ts"
import { vma_entrySchema } from "../../proto/gen/vma_pb.ts"
import type { AnySchema, Field } from "../../proto/schema.ts"
import { catalog } from "../../src/image/catalog.ts"

const LABEL = { required: "", optional: "?", repeated: "*" } as const
const typeOf = (field: Field): string => (field.type === "message" ? field.message().name : field.type)
const line = (schema: AnySchema): string =>
  schema.fields.map((field) => `${field.number} ${field.name}${LABEL[field.label]} ${typeOf(field)}`).join(", ")

/** The format as CRIU 4.2 reads and writes it; a change of a .proto file that breaks it fails here. */
const FACTS: readonly (readonly [AnySchema, string])[] = [
  [
    inventory_entrySchema,
    "1 img_version uint32, 2 fdinfo_per_id? bool, 3 root_ids? task_kobj_ids_entry, 4 ns_per_id? bool, 5 root_cg_set? uint32, 6 lsmtype? enum, 8 dump_uptime? uint64, 9 pre_dump_mode? uint32, 10 tcp_close? bool, 11 network_lock_method? uint32, 12 plugins_entry? plugins_entry, 13 dump_criu_run_id? string, 14 allow_uprobes? bool",
  ],
  [pstree_entrySchema, "1 pid uint32, 2 ppid uint32, 3 pgid uint32, 4 sid uint32, 5 threads* uint32"],
  [
    core_entrySchema,
    "1 mtype enum, 2 thread_info? thread_info_x86, 3 tc? task_core_entry, 4 ids? task_kobj_ids_entry, 5 thread_core? thread_core_entry, 6 ti_arm? thread_info_arm, 8 ti_aarch64? thread_info_aarch64, 9 ti_ppc64? thread_info_ppc64, 10 ti_s390? thread_info_s390, 11 ti_mips? thread_info_mips, 12 ti_loongarch64? thread_info_loongarch64, 13 ti_riscv64? thread_info_riscv64",
  ],
  [
    task_core_entrySchema,
    "1 task_state uint32, 2 exit_code uint32, 3 personality uint32, 4 flags uint32, 5 blk_sigset uint64, 6 comm string, 7 timers? task_timers_entry, 8 rlimits? task_rlimits_entry, 9 cg_set? uint32, 10 signals_s? signal_queue_entry, 11 old_seccomp_mode? enum, 12 old_seccomp_filter? uint32, 13 loginuid? uint32, 14 oom_score_adj? int32, 15 sigactions* sa_entry, 18 child_subreaper? bool, 20 blk_sigset_extended? uint64, 21 stop_signo? uint32, 22 membarrier_registration_mask? uint32",
  ],
  [
    thread_core_entrySchema,
    "1 futex_rla uint64, 2 futex_rla_len uint32, 3 sched_nice? sint32, 4 sched_policy? uint32, 5 sched_prio? uint32, 6 blk_sigset? uint64, 7 sas? thread_sas_entry, 8 pdeath_sig? uint32, 9 signals_p? signal_queue_entry, 10 creds? creds_entry, 11 seccomp_mode? enum, 12 seccomp_filter? uint32, 13 comm? string, 14 blk_sigset_extended? uint64, 15 rseq_entry? rseq_entry, 16 cg_set? uint32",
  ],
  [
    task_kobj_ids_entrySchema,
    "1 vm_id uint32, 2 files_id uint32, 3 fs_id uint32, 4 sighand_id uint32, 5 pid_ns_id? uint32, 6 net_ns_id? uint32, 7 ipc_ns_id? uint32, 8 uts_ns_id? uint32, 9 mnt_ns_id? uint32, 10 user_ns_id? uint32, 11 cgroup_ns_id? uint32, 12 time_ns_id? uint32",
  ],
  [thread_info_x86Schema, "1 clear_tid_addr uint64, 2 gpregs user_x86_regs_entry, 3 fpregs user_x86_fpregs_entry, 4 tls* user_desc_t"],
  [
    user_x86_regs_entrySchema,
    "1 r15 uint64, 2 r14 uint64, 3 r13 uint64, 4 r12 uint64, 5 bp uint64, 6 bx uint64, 7 r11 uint64, 8 r10 uint64, 9 r9 uint64, 10 r8 uint64, 11 ax uint64, 12 cx uint64, 13 dx uint64, 14 si uint64, 15 di uint64, 16 orig_ax uint64, 17 ip uint64, 18 cs uint64, 19 flags uint64, 20 sp uint64, 21 ss uint64, 22 fs_base uint64, 23 gs_base uint64, 24 ds uint64, 25 es uint64, 26 fs uint64, 27 gs uint64, 28 mode? enum",
  ],
  [
    user_x86_fpregs_entrySchema,
    "1 cwd uint32, 2 swd uint32, 3 twd uint32, 4 fop uint32, 5 rip uint64, 6 rdp uint64, 7 mxcsr uint32, 8 mxcsr_mask uint32, 9 st_space* uint32, 10 xmm_space* uint32, 11 padding* uint32, 13 xsave? user_x86_xsave_entry",
  ],
  [
    user_x86_xsave_entrySchema,
    "1 xstate_bv uint64, 2 ymmh_space* uint32, 3 bndreg_state* uint64, 4 bndcsr_state* uint64, 5 opmask_reg* uint64, 6 zmm_upper* uint64, 7 hi16_zmm* uint64, 8 pkru* uint32, 9 cet? user_x86_cet_entry",
  ],
  [rseq_entrySchema, "1 rseq_abi_pointer uint64, 2 rseq_abi_size uint32, 3 signature uint32, 4 rseq_cs_pointer? uint64"],
  [
    mm_entrySchema,
    "1 mm_start_code uint64, 2 mm_end_code uint64, 3 mm_start_data uint64, 4 mm_end_data uint64, 5 mm_start_stack uint64, 6 mm_start_brk uint64, 7 mm_brk uint64, 8 mm_arg_start uint64, 9 mm_arg_end uint64, 10 mm_env_start uint64, 11 mm_env_end uint64, 12 exe_file_id uint32, 13 mm_saved_auxv* uint64, 14 vmas* vma_entry, 15 dumpable? int32, 16 aios* aio_ring_entry, 17 thp_disabled? bool",
  ],
  [
    vma_entrySchema,
    "1 start uint64, 2 end uint64, 3 pgoff uint64, 4 shmid uint64, 5 prot uint32, 6 flags uint32, 7 status uint32, 8 fd sint64, 9 madv? uint64, 10 fdflags? uint32",
  ],
  [pagemap_headSchema, "1 pages_id uint32"],
  [pagemap_entrySchema, "1 vaddr uint64, 2 compat_nr_pages uint32, 3 in_parent? bool, 4 flags? uint32, 5 nr_pages? uint64"],
  [
    file_entrySchema,
    "1 type enum, 2 id uint32, 3 reg? reg_file_entry, 4 isk? inet_sk_entry, 5 nsf? ns_file_entry, 6 psk? packet_sock_entry, 7 nlsk? netlink_sk_entry, 8 efd? eventfd_file_entry, 9 epfd? eventpoll_file_entry, 10 sgfd? signalfd_entry, 11 tunf? tunfile_entry, 12 tfd? timerfd_entry, 13 ify? inotify_file_entry, 14 ffy? fanotify_file_entry, 15 ext? ext_file_entry, 16 usk? unix_sk_entry, 17 fifo? fifo_entry, 18 pipe? pipe_entry, 19 tty? tty_file_entry, 20 memfd? memfd_file_entry, 21 bpf? bpfmap_file_entry, 22 pidfd? pidfd_entry",
  ],
  [fdinfo_entrySchema, "1 id uint32, 2 flags uint32, 3 type enum, 4 fd uint32, 5 xattr_security_selinux? string"],
  [
    reg_file_entrySchema,
    "1 id uint32, 2 flags uint32, 3 pos uint64, 5 fown fown_entry, 6 name string, 7 mnt_id? sint32, 8 size? uint64, 9 ext? bool, 10 mode? uint32, 11 build_id* uint32, 12 checksum? uint32, 13 checksum_config? uint32, 14 checksum_parameter? uint32",
  ],
]

for (const [schema, fields] of FACTS) test(`${schema.name} has CRIU's fields`, () => expect(line(schema)).toBe(fields))

test("fd_types has CRIU's numbers", () => {
  const { UND, REG, PIPE, EVENTFD, EVENTPOLL, TTY, TIMERFD, MEMFD, PIDFD } = fd_types
  expect([UND, REG, PIPE, EVENTFD, EVENTPOLL, TTY, TIMERFD, MEMFD, PIDFD]).toEqual([0, 1, 2, 6, 7, 11, 17, 18, 20])
})

test("catalog has CRIU's words", () => {
  const { inventory, pstree, core, ids, mm, fs, pagemap, files, fdinfo, seccomp, timens, stats } = catalog
  const words = [inventory, pstree, core, ids, mm, fs, pagemap, files, fdinfo, seccomp, timens, stats].map(({ magic }) =>
    magic.toString(16),
  )
  expect(words.join(" ")).toBe(
    "58313116 50273030 55053847 54432030 57492820 51403912 56084025 56303138 56213732 64413049 43114433 57093306",
  )
  expect(catalog["pipes-data"].magic).toBe(0x56453709)
})
