import { O } from "../../../ffi/abi/file.ts"
import type { siginfo_entry } from "../../../proto/gen/siginfo_pb.ts"
import type { Rule, Rules } from "../../image/compare.ts"
import { XSAVE_FIELDS } from "../../kinds/registers/collect.x86_64.ts"
import { isStop } from "../../kinds/signals/info.ts"

/** A field that need not be equal. */
export const ignore: Rule = { kind: "ignore" }
/** A number of an object: see Rule. */
export const alias = (space: string): Rule => ({ kind: "alias", space })
const keyed = (...by: string[]): Rule => ({ kind: "keyed", by })

/** Messages with the id of a file, a number that each dump gives anew. */
const FILES = [
  "fdinfo_entry file_entry reg_file_entry pipe_entry eventfd_file_entry eventpoll_file_entry eventpoll_tfd_entry",
  "tty_file_entry fifo_entry signalfd_entry ns_file_entry tunfile_entry timerfd_entry inotify_file_entry",
  "packet_sock_entry bpfmap_file_entry fanotify_file_entry inet_sk_entry netlink_sk_entry pidfd_entry memfd_file_entry stasis_file_entry unix_sk_entry",
].flatMap((line) => line.split(" "))

const NAMESPACES = ["pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time"] as const

/** What of a restored tree may differ from its images, field by field. */
export const RULES: Rules = {
  ...Object.fromEntries(FILES.map((name) => [`${name}.id`, alias("file")])),
  // Numbers that each dump gives anew.
  "mm_entry.exe_file_id": alias("file"),
  // CRIU gives each process directories with numbers of their own.
  "fs_entry.cwd_id": { kind: "alias", space: "file", apart: true },
  "fs_entry.root_id": { kind: "alias", space: "file", apart: true },
  "fifo_entry.regf_id": alias("file"),
  "fifo_entry.pipe_id": alias("fifo"),
  "inotify_wd_entry.id": ignore,
  // A deleted file is another one now; which watch has which file is told by the path, where there is one.
  "inotify_wd_entry.i_ino": alias("watched"),
  "fanotify_mark_entry.id": ignore,
  "fanotify_inode_mark_entry.i_ino": alias("watched"),
  "fanotify_mount_mark_entry.mnt_id": alias("mount"),
  "fh_entry.handle": ignore,
  "inotify_file_entry.wd": keyed("wd"),
  "pidfd_entry.ino": alias("process"),
  "netlink_sk_entry.ino": alias("socket"),
  // CRIU numbers namespaces that are not dumped, and has no state for a socket that is in no table.
  "netlink_sk_entry.ns_id": ignore,
  // Devices go by their names: the numbers may be others here.
  "packet_sock_entry.ns_id": ignore,
  "packet_sock_entry.ifindex": alias("device"),
  "packet_mclist.index": alias("device"),
  // What the kernel counts depends on where its memory is; CRIU tells a mount too.
  "bpfmap_file_entry.map_id": alias("map"),
  "bpfmap_file_entry.memlock": ignore,
  "bpfmap_file_entry.mnt_id": ignore,
  "inet_sk_entry.ino": alias("socket"),
  // Set when a connection is let go; and by the kernel, when a socket is bound to one address.
  "sk_opts_entry.reuseaddr": ignore,
  // The kernel keeps twice what is asked for: a size that it chose itself may be odd, and comes back one smaller.
  "sk_opts_entry.so_rcvbuf": { kind: "flags", without: 1 },
  "sk_opts_entry.so_sndbuf": { kind: "flags", without: 1 },
  "inet_sk_entry.v6only": ignore,
  "tty_file_entry.regf_id": alias("file"),
  "pipe_entry.pipe_id": alias("pipe"),
  "unix_sk_entry.ino": alias("socket"),
  "unix_sk_entry.peer": alias("socket"),
  "tty_file_entry.tty_info_id": alias("tty"),
  "tty_info_entry.id": alias("tty"),
  "memfd_file_entry.inode_id": alias("memory"),
  "memfd_inode_entry.inode_id": alias("memory"),
  "memfd_inode_entry.shmid": alias("sharedMemory"),
  // File systems have other numbers in another container; which file it is, the path says, or a number beside it.
  "inotify_wd_entry.s_dev": ignore,
  "fanotify_mark_entry.s_dev": ignore,
  "tty_info_entry.dev": ignore,
  // Who made an object decides it: a name, a device and an inode of its own.
  "eventpoll_tfd_entry.dev": ignore,
  "eventpoll_tfd_entry.inode": ignore,
  "reg_file_entry.mnt_id": ignore,
  // CRIU numbers namespaces that are not dumped, and of a socket that does not listen tells what it had sent as its backlog.
  "unix_sk_entry.ns_id": ignore,
  "inet_sk_entry.ns_id": ignore,
  "ns_file_entry.ns_id": ignore,
  "tunfile_entry.ns_id": ignore,
  "unix_sk_entry.backlog": ignore,
  // A file that O_TMPFILE made is opened again as any other is, and what is not at its name by a link that must be followed.
  "reg_file_entry.flags": { kind: "flags", without: O.TMPFILE | O.DIRECTORY | O.NOFOLLOW },
  // The kernel names such a file by its inode, which is another one now. Kernel: fs/dcache.c d_mark_tmpfile()
  "reg_file_entry.name": { kind: "text", without: /(?<=\/#)\d+$/ },
  // Compared before anything was made, as the options want it.
  "reg_file_entry.build_id": ignore,
  // Flags of the kernel's own, and the order of what is numbered in cgroup.img, which restores its own way.
  "task_core_entry.flags": ignore,
  // Compared filter by filter by `seccompDifferences`: the index is a number of the dump's.
  "task_core_entry.old_seccomp_mode": ignore,
  "task_core_entry.old_seccomp_filter": ignore,
  "thread_core_entry.seccomp_mode": ignore,
  "thread_core_entry.seccomp_filter": ignore,
  // Which processes share which kernel objects. Namespaces are the restorer's.
  "task_kobj_ids_entry.vm_id": alias("vm"),
  "task_kobj_ids_entry.files_id": alias("files"),
  "task_kobj_ids_entry.fs_id": alias("fs"),
  "task_kobj_ids_entry.sighand_id": alias("sighand"),
  ...Object.fromEntries(NAMESPACES.map((kind) => [`task_kobj_ids_entry.${kind}_ns_id`, ignore])),
  "task_core_entry.cg_set": ignore,
  "thread_core_entry.cg_set": ignore,
  // Time goes on: what was left of a timer is less, and what ran out is queued.
  "itimer_entry.vsec": ignore,
  "itimer_entry.vusec": ignore,
  "posix_timer_entry.vsec": ignore,
  "posix_timer_entry.vnsec": ignore,
  "posix_timer_entry.overrun": ignore,
  "timerfd_entry.vsec": ignore,
  "timerfd_entry.vnsec": ignore,
  "timerfd_entry.ticks": ignore,
  "task_timers_entry.posix": keyed("it_id"),
  // SIGSTOP cannot be kept waiting: it has its effect as soon as anything is run in a process, and a restore sends it last of all.
  "signal_queue_entry.signals": { kind: "subset", mayGo: (entry) => isStop((entry as siginfo_entry).siginfo) },
  // What the kernel found is there for people; the registers that belong to it are compared.
  "stasis_thread_entry.cpu_affinity": { kind: "mask" },
  "stasis_thread_entry.rseq_discovery": ignore,
  "stasis_thread_entry.rseq_class": ignore,
  "stasis_thread_entry.rseq_area": ignore,
  "stasis_thread_entry.rseq_cs": ignore,
  "stasis_thread_entry.frozen_ip": ignore,
  "stasis_thread_entry.restart": ignore,
  "stasis_task_entry.session_keyring": ignore,
  // Kernels before 6.16 have no such thing, later ones give every program with threads its own.
  "stasis_task_entry.futex_slots": { kind: "if-known" },
  // Kernels differ for datagram sockets; whom one is connected to is compared.
  "unix_sk_entry.state": ignore,
  "stasis_task_entry.producer": ignore,
  "stasis_task_entry.stop_unseen": ignore,
  "stasis_task_entry.threads": keyed("tid"),
  "stasis_task_entry.vmas": keyed("start"),
  "eventpoll_file_entry.tfd": keyed("tfd", "data"),
  // Any process whose numbers lead to all that it watches.
  "stasis_epoll_entry.process": ignore,
  // The call is to be made anew, if at all, and not to be restarted.
  "user_x86_regs_entry.orig_ax": ignore,
  // EPOLLERR and EPOLLHUP: one that is disarmed (EPOLLONESHOT) lacks them, and no call makes it so.
  "eventpoll_tfd_entry.events": { kind: "flags", without: 0x18 },
  // SS_ONSTACK: the stack pointer says so; CRIU leaves it out.
  "thread_sas_entry.ss_flags": { kind: "flags", without: 1 },
  // A component that is as after a reset may be marked as used or not.
  "user_x86_xsave_entry.xstate_bv": ignore,
  // One that the other CPU lacks is not there.
  ...Object.fromEntries(XSAVE_FIELDS.map(([field]) => [`user_x86_xsave_entry.${field}`, { kind: "if-known" }] as const)),
  // Compared by `areaDifferences`, for the kernel may divide them otherwise.
  "mm_entry.vmas": ignore,
  "mm_entry.mm_saved_auxv": ignore,
  // Files of the whole tree, which stand in the image of one process; and when segments were made, and by whom.
  "stasis_task_entry.files": ignore,
  "stasis_task_entry.shm": ignore,
}
