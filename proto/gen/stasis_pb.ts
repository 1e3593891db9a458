// Made from proto/stasis.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/**
 * A system call whose kernel-side restart block was pending when the thread was frozen (rax -516): what is needed to arm
 * it again with the time that was left, instead of answering EINTR.
 */
export interface stasis_restart_entry {
  /** Number of the interrupted call in the system-call table of the dumping architecture. */
  syscall_nr: number
  /** Clock of a sleep, CLOCK_*; absent where the call has none (poll, futex). */
  clock_id?: number
  /** Time left at the freeze. */
  remaining_sec?: bigint
  remaining_nsec?: number
  /** Arguments of the call as found at the freeze, in order. */
  args: bigint[]
}
export const stasis_restart_entrySchema: Schema<stasis_restart_entry> = schema("stasis_restart_entry", () => [
  { number: 1, name: "syscall_nr", type: "uint32", label: "required" },
  { number: 2, name: "clock_id", type: "uint32", label: "optional" },
  { number: 3, name: "remaining_sec", type: "uint64", label: "optional" },
  { number: 4, name: "remaining_nsec", type: "uint32", label: "optional" },
  { number: 5, name: "args", type: "uint64", label: "repeated" },
])

/** NUMA memory policy of a thread or an area, get_mempolicy(2). */
export interface stasis_mempolicy_entry {
  /** MPOL_* and its MPOL_F_* flags. */
  mode: number
  /** Node mask: bit n of byte n / 8 = node n, without the zeros at its end; absent = no nodes. */
  nodes?: Uint8Array
}
export const stasis_mempolicy_entrySchema: Schema<stasis_mempolicy_entry> = schema("stasis_mempolicy_entry", () => [
  { number: 1, name: "mode", type: "uint32", label: "required" },
  { number: 2, name: "nodes", type: "bytes", label: "optional" },
])

/** One thread. */
export interface stasis_thread_entry {
  tid: number
  /** CPU mask of sched_getaffinity(2): bit n of byte n / 8 = CPU n. Absent = not recorded. */
  cpu_affinity?: Uint8Array
  /** /proc/PID/timerslack_ns, nanoseconds. */
  timerslack_ns?: bigint
  /** ioprio_get(2): class << 13 | level. */
  ioprio?: number
  /** Class of RSEQ.md module 2 at the freeze: unregistered, idle, outside, abortable, no-restart or malformed. */
  rseq_class?: string
  /** Strategy that found the registration: ptrace, libc or tls-symbol. */
  rseq_discovery?: string
  /** flags of PTRACE_GET_RSEQ_CONFIGURATION. */
  rseq_flags?: number
  /** The rseq_cs pointer as found, before any fix-up; absent = 0. */
  rseq_cs?: bigint
  restart?: stasis_restart_entry
  /** NT_X86_XSTATE bytes whole, standard layout, when a component is in use that core-%u.img has no field for. */
  extra_xstate?: Uint8Array
  /** sched_getattr(2), include/uapi/linux/sched/types.h. Times of SCHED_DEADLINE in nanoseconds. */
  uclamp_min?: number
  uclamp_max?: number
  sched_flags?: bigint
  sched_runtime?: bigint
  sched_deadline?: bigint
  sched_period?: bigint
  /** Extended restartable-sequence state (Linux 7.0 slice control), raw bytes of struct rseq from offset 0. */
  rseq_area?: Uint8Array
  /** IP at the freeze, before any fix-up. Shown to people, never restored. */
  frozen_ip?: bigint
  /** personality(0xffffffff) of this thread, where it differs from the process's. */
  personality?: number
  /** prctl(PR_MCE_KILL_GET): 0 late, 1 early; absent = 2, the system's default. */
  mce_kill?: number
  /** prctl(PR_GET_TSC), x86: 2 = reading the time stamp counter raises SIGSEGV; absent = 1, allowed. */
  tsc?: number
  /** prctl(PR_GET_IO_FLUSHER). */
  io_flusher?: boolean
  /** prctl(PR_GET_SPECULATION_CTRL), the index is the PR_SPEC_ number of the misfeature; values without PR_SPEC_PRCTL, 0 = not set. */
  speculation: number[]
  /** arch_prctl(ARCH_GET_CPUID), x86: the CPUID instruction raises SIGSEGV. */
  cpuid_faults?: boolean
  /** keyctl(KEYCTL_SET_REQKEY_KEYRING): the kind of keyring that keys go to which the thread requests; absent = the default. */
  request_keyring?: number
  /** Absent = the default. */
  mempolicy?: stasis_mempolicy_entry
  /** It was in a Landlock domain, which is not restored. */
  landlocked?: boolean
  /** prctl(PR_RSEQ_SLICE_EXTENSION_GET): it may ask for a longer time slice. */
  rseq_slice_extension?: boolean
}
export const stasis_thread_entrySchema: Schema<stasis_thread_entry> = schema("stasis_thread_entry", () => [
  { number: 1, name: "tid", type: "uint32", label: "required" },
  { number: 2, name: "cpu_affinity", type: "bytes", label: "optional" },
  { number: 3, name: "timerslack_ns", type: "uint64", label: "optional" },
  { number: 4, name: "ioprio", type: "int32", label: "optional" },
  { number: 5, name: "rseq_class", type: "string", label: "optional" },
  { number: 6, name: "rseq_discovery", type: "string", label: "optional" },
  { number: 7, name: "rseq_flags", type: "uint32", label: "optional" },
  { number: 8, name: "rseq_cs", type: "uint64", label: "optional" },
  { number: 9, name: "restart", type: "message", label: "optional", message: () => stasis_restart_entrySchema },
  { number: 10, name: "extra_xstate", type: "bytes", label: "optional" },
  { number: 11, name: "uclamp_min", type: "uint32", label: "optional" },
  { number: 12, name: "uclamp_max", type: "uint32", label: "optional" },
  { number: 13, name: "sched_flags", type: "uint64", label: "optional" },
  { number: 14, name: "sched_runtime", type: "uint64", label: "optional" },
  { number: 15, name: "sched_deadline", type: "uint64", label: "optional" },
  { number: 16, name: "sched_period", type: "uint64", label: "optional" },
  { number: 17, name: "rseq_area", type: "bytes", label: "optional" },
  { number: 18, name: "frozen_ip", type: "uint64", label: "optional" },
  { number: 19, name: "personality", type: "uint32", label: "optional" },
  { number: 20, name: "mce_kill", type: "uint32", label: "optional" },
  { number: 21, name: "tsc", type: "uint32", label: "optional" },
  { number: 22, name: "io_flusher", type: "bool", label: "optional" },
  { number: 23, name: "speculation", type: "uint32", label: "repeated" },
  { number: 24, name: "cpuid_faults", type: "bool", label: "optional" },
  { number: 25, name: "request_keyring", type: "uint32", label: "optional" },
  { number: 40, name: "mempolicy", type: "message", label: "optional", message: () => stasis_mempolicy_entrySchema },
  { number: 41, name: "landlocked", type: "bool", label: "optional" },
  { number: 43, name: "rseq_slice_extension", type: "bool", label: "optional" },
])

/** Who made or sent something, struct ucred of unix(7). */
export interface stasis_credentials_entry {
  pid: number
  uid: number
  gid: number
}
export const stasis_credentials_entrySchema: Schema<stasis_credentials_entry> = schema("stasis_credentials_entry", () => [
  { number: 1, name: "pid", type: "int32", label: "required" },
  { number: 2, name: "uid", type: "uint32", label: "required" },
  { number: 3, name: "gid", type: "uint32", label: "required" },
])

/** One for each entry of sk-queues.img that is for the socket, in their order. */
export interface stasis_senders_entry {
  senders: stasis_credentials_entry[]
}
export const stasis_senders_entrySchema: Schema<stasis_senders_entry> = schema("stasis_senders_entry", () => [
  { number: 1, name: "senders", type: "message", label: "repeated", message: () => stasis_credentials_entrySchema },
])

/** Content of a pipe in packet mode, divided. */
export interface stasis_packets_entry {
  /** Bytes of each packet, in order; their sum is the content's size. */
  lengths: number[]
}
export const stasis_packets_entrySchema: Schema<stasis_packets_entry> = schema("stasis_packets_entry", () => [
  { number: 1, name: "lengths", type: "uint32", label: "repeated" },
])

/** One option of setsockopt(2). */
export interface stasis_socket_option {
  level: number
  name: number
  value: Uint8Array
}
export const stasis_socket_optionSchema: Schema<stasis_socket_option> = schema("stasis_socket_option", () => [
  { number: 1, name: "level", type: "uint32", label: "required" },
  { number: 2, name: "name", type: "uint32", label: "required" },
  { number: 3, name: "value", type: "bytes", label: "required" },
])

export interface stasis_socket_options {
  options: stasis_socket_option[]
}
export const stasis_socket_optionsSchema: Schema<stasis_socket_options> = schema("stasis_socket_options", () => [
  { number: 1, name: "options", type: "message", label: "repeated", message: () => stasis_socket_optionSchema },
])

/** Mark of a fanotify on a whole file system. */
export interface stasis_filesystem_mark {
  /** A path on it. */
  path: string
  /** As of fanotify_mark_entry. */
  mflags: number
  mask: number
  ignored_mask: number
}
export const stasis_filesystem_markSchema: Schema<stasis_filesystem_mark> = schema("stasis_filesystem_mark", () => [
  { number: 1, name: "path", type: "string", label: "required" },
  { number: 2, name: "mflags", type: "uint32", label: "required" },
  { number: 3, name: "mask", type: "uint32", label: "required" },
  { number: 4, name: "ignored_mask", type: "uint32", label: "required" },
])

export interface stasis_filesystem_marks {
  marks: stasis_filesystem_mark[]
}
export const stasis_filesystem_marksSchema: Schema<stasis_filesystem_marks> = schema("stasis_filesystem_marks", () => [
  { number: 1, name: "marks", type: "message", label: "repeated", message: () => stasis_filesystem_markSchema },
])

/** A network device that a packet socket names by its number. */
export interface stasis_device {
  index: number
  name: string
}
export const stasis_deviceSchema: Schema<stasis_device> = schema("stasis_device", () => [
  { number: 1, name: "index", type: "uint32", label: "required" },
  { number: 2, name: "name", type: "string", label: "required" },
])

export interface stasis_devices {
  devices: stasis_device[]
}
export const stasis_devicesSchema: Schema<stasis_devices> = schema("stasis_devices", () => [
  { number: 1, name: "devices", type: "message", label: "repeated", message: () => stasis_deviceSchema },
])

/** Membership of a socket in a multicast group. */
export interface stasis_membership {
  /** Name of the network device. */
  device: string
  /** Address in network order, 4 or 16 bytes. */
  group: Uint8Array
  /** MCAST_INCLUDE: it hears these senders only; else it hears all but these. */
  includes?: boolean
  /** Addresses as that of the group. */
  sources: Uint8Array[]
}
export const stasis_membershipSchema: Schema<stasis_membership> = schema("stasis_membership", () => [
  { number: 1, name: "device", type: "string", label: "required" },
  { number: 2, name: "group", type: "bytes", label: "required" },
  { number: 3, name: "includes", type: "bool", label: "optional" },
  { number: 4, name: "sources", type: "bytes", label: "repeated" },
])

export interface stasis_multicast {
  memberships: stasis_membership[]
  /** Name of the network device that IPV6_MULTICAST_IF names. */
  device?: string
}
export const stasis_multicastSchema: Schema<stasis_multicast> = schema("stasis_multicast", () => [
  { number: 1, name: "memberships", type: "message", label: "repeated", message: () => stasis_membershipSchema },
  { number: 2, name: "device", type: "string", label: "optional" },
])

/** What an epoll watches. */
export interface stasis_epoll_entry {
  /** Process that the numbers of its entries are of: others that have it open may have other files there. */
  process: number
  /**
   * Numbers that the last entries were added under: each has been closed since, or leads to another file. The entries themselves have numbers
   * that lead to what is watched.
   */
  added: number[]
  /** struct epoll_params, where it differs from that of a new one. */
  busy_poll?: Uint8Array
}
export const stasis_epoll_entrySchema: Schema<stasis_epoll_entry> = schema("stasis_epoll_entry", () => [
  { number: 1, name: "process", type: "uint32", label: "required" },
  { number: 2, name: "added", type: "uint32", label: "repeated" },
  { number: 3, name: "busy_poll", type: "bytes", label: "optional" },
])

/** One open file of files.img. */
export interface stasis_file_entry {
  id: number
  /** EFD_SEMAPHORE of an eventfd. */
  eventfd_semaphore?: boolean
  /** Master of a pseudo-terminal whose slave was open once and is not any more: it reads EIO, not silence. */
  tty_peer_closed?: boolean
  /** Timerfd that was set for a moment of the day: that moment, since 1970. CRIU's entry has the time that was left. */
  timerfd_moment_sec?: bigint
  timerfd_moment_nsec?: number
  /** End of a FIFO that nobody has written to since it was opened for reading: it waits for a writer, and does not read the end of file. */
  fifo_unwritten?: boolean
  /** End of a pipe or FIFO whose content was taken from it: its packets (O_DIRECT), absent where it is not divided. */
  pipe_packets?: stasis_packets_entry
  /** SO_PEEK_OFF of a socket; absent = none. */
  socket_peek_offset?: number
  /** Place among the clients that a listener has not accepted yet, from 0. */
  socket_pending?: number
  /** Peer of a stream went with something unread: ECONNRESET is due. */
  socket_reset?: boolean
  /** SO_PEERCRED of a unix socket; absent = it has none. */
  socket_peer?: stasis_credentials_entry
  /** Senders of what is in its queue, where it is told them (SO_PASSCRED). */
  socket_senders?: stasis_senders_entry
  /** Where the file of a unix socket is that was renamed after it was bound; absent = at the socket's name. */
  socket_file?: string
  /** Options of a socket that differ from those of a new one and have no field in CRIU's images. */
  socket_options?: stasis_socket_options
  /** Multicast of a socket of the internet; absent = a member of no group. */
  multicast?: stasis_multicast
  /** Bytes of events of an inotify or fanotify that nobody had read, and that are lost; absent = none. */
  notify_lost?: number
  /** Marks of a fanotify on whole file systems. */
  filesystem_marks?: stasis_filesystem_marks
  /** Effective user of a process that has a fanotify which was made without CAP_SYS_ADMIN; absent = it was made with it. */
  fanotify_user?: number
  /** POSIX message queue that mq_open(3) opened, whose name stands in the entry: its inode number, which a later one of the name has not. */
  queue_inode?: bigint
  /** Epoll: what CRIU's entry does not say. */
  epoll?: stasis_epoll_entry
  /** Network devices that the entry of a packet socket has the numbers of. */
  packet_devices?: stasis_devices
  /** End of a pipe whose other end is open outside the tree: a restore must be told what takes its place. */
  pipe_outside?: boolean
}
export const stasis_file_entrySchema: Schema<stasis_file_entry> = schema("stasis_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "eventfd_semaphore", type: "bool", label: "optional" },
  { number: 20, name: "tty_peer_closed", type: "bool", label: "optional" },
  { number: 30, name: "timerfd_moment_sec", type: "uint64", label: "optional" },
  { number: 31, name: "timerfd_moment_nsec", type: "uint32", label: "optional" },
  { number: 32, name: "fifo_unwritten", type: "bool", label: "optional" },
  { number: 33, name: "pipe_packets", type: "message", label: "optional", message: () => stasis_packets_entrySchema },
  { number: 50, name: "socket_peek_offset", type: "int32", label: "optional" },
  { number: 51, name: "socket_pending", type: "uint32", label: "optional" },
  { number: 52, name: "socket_reset", type: "bool", label: "optional" },
  { number: 53, name: "socket_peer", type: "message", label: "optional", message: () => stasis_credentials_entrySchema },
  { number: 54, name: "socket_senders", type: "message", label: "optional", message: () => stasis_senders_entrySchema },
  { number: 55, name: "socket_file", type: "string", label: "optional" },
  { number: 60, name: "socket_options", type: "message", label: "optional", message: () => stasis_socket_optionsSchema },
  { number: 61, name: "multicast", type: "message", label: "optional", message: () => stasis_multicastSchema },
  { number: 70, name: "notify_lost", type: "uint32", label: "optional" },
  { number: 71, name: "filesystem_marks", type: "message", label: "optional", message: () => stasis_filesystem_marksSchema },
  { number: 72, name: "fanotify_user", type: "uint32", label: "optional" },
  { number: 75, name: "queue_inode", type: "uint64", label: "optional" },
  { number: 76, name: "epoll", type: "message", label: "optional", message: () => stasis_epoll_entrySchema },
  { number: 80, name: "packet_devices", type: "message", label: "optional", message: () => stasis_devicesSchema },
  { number: 90, name: "pipe_outside", type: "bool", label: "optional" },
])

/** One memory area of mm-%u.img, by its bounds. */
export interface stasis_vma_entry {
  start: bigint
  end: bigint
  /** Name set with PR_SET_VMA_ANON_NAME, without "[anon:" and "]". */
  name?: string
  /** Locked by mlock2(MLOCK_ONFAULT): pages are locked when they are touched. */
  locked_on_fault?: boolean
  /** Key for memory protection (pkey_mprotect(2)); absent = 0, or where the CPU has none. */
  protection_key?: number
  /** mbind(2); absent = none of its own. */
  mempolicy?: stasis_mempolicy_entry
}
export const stasis_vma_entrySchema: Schema<stasis_vma_entry> = schema("stasis_vma_entry", () => [
  { number: 1, name: "start", type: "uint64", label: "required" },
  { number: 2, name: "end", type: "uint64", label: "required" },
  { number: 3, name: "name", type: "string", label: "optional" },
  { number: 4, name: "locked_on_fault", type: "bool", label: "optional" },
  { number: 5, name: "protection_key", type: "uint32", label: "optional" },
  { number: 40, name: "mempolicy", type: "message", label: "optional", message: () => stasis_mempolicy_entrySchema },
])

/** A System V shared memory segment of ipcns-shm-%u.img that the tree has attached in the namespace of the dumping program. */
export interface stasis_shm_entry {
  id: number
  /** Time at which it was made or changed, seconds since 1970: with its other attributes, what tells it from a later one. */
  ctime: bigint
  /** Process that made it. */
  creator: number
  /** Key that it was made with, which its name in /proc/PID/maps has; absent = that of CRIU's entry, or none. */
  made_key?: number
}
export const stasis_shm_entrySchema: Schema<stasis_shm_entry> = schema("stasis_shm_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ctime", type: "uint64", label: "required" },
  { number: 3, name: "creator", type: "uint32", label: "required" },
  { number: 4, name: "made_key", type: "uint32", label: "optional" },
])

/** stasis-core-%u.img, one entry per process. */
export interface stasis_task_entry {
  /** 1. A reader refuses a larger one. */
  format_version: number
  /** Program and version that wrote the image, for people. */
  producer: string
  /** personality(0xffffffff). The field of task_core_entry is mis-parsed by CRIU and ignored. */
  personality?: number
  /** /proc/PID/coredump_filter. */
  coredump_filter?: number
  threads: stasis_thread_entry[]
  files: stasis_file_entry[]
  vmas: stasis_vma_entry[]
  /** Page size of the dumping host, bytes. */
  page_size?: number
  /** release of uname(2) of the dumping host. */
  kernel_release?: string
  /** prctl(PR_GET_THP_DISABLE) where it says more than the flag in mm-%u.img: bit 0 disabled, bit 1 except advised areas. */
  thp_disable?: number
  /** prctl(PR_GET_MDWE): bit 0 refuse executable gain, bit 1 not inherited. */
  mdwe?: number
  /** prctl(PR_GET_MEMORY_MERGE): the whole process takes part in KSM. */
  memory_merge?: boolean
  /** Open descriptors: a set without fdinfo-%u.img is incomplete when this is not 0. */
  descriptors?: number
  /** Signal that the process's end sends to its parent, 0 = none; absent = SIGCHLD. */
  exit_signal?: number
  /** The process was stopped, and its parent had not waited for that yet (WUNTRACED); absent = it had, or nothing is known. */
  stop_unseen?: boolean
  /** prctl(PR_FUTEX_HASH_GET_SLOTS); absent where the kernel has no such hash. */
  futex_slots?: number
  /** prctl(PR_TIMER_CREATE_RESTORE_IDS_GET). */
  timer_restore_ids?: boolean
  /** Nice value of the session's autogroup, when the process leads the session; absent = 0. */
  autogroup_nice?: number
  /** MCL_FUTURE and MCL_ONFAULT of mlockall(2): how new areas are locked; absent = they are not. */
  mlock_future?: number
  /** Serial number of the session keyring, where it is not the user's own. */
  session_keyring?: number
  /** Components of the extended state that the process may use as it asked for them (ARCH_GET_XCOMP_PERM), by bit: AMX tiles, 18. */
  xstate_permission?: bigint
  /** Keys for memory protection that the process has allocated (pkey_alloc(2)), a bit each; absent = none. */
  protection_keys?: number
  /** The one that the kernel has taken for memory that may be executed only; absent = none. */
  execute_only_key?: number
  /** As xstate_permission: what it may give virtual machines (ARCH_GET_XCOMP_GUEST_PERM). */
  guest_xstate_permission?: bigint
  /** Segments of the whole tree, in the image of one process. */
  shm: stasis_shm_entry[]
}
export const stasis_task_entrySchema: Schema<stasis_task_entry> = schema("stasis_task_entry", () => [
  { number: 1, name: "format_version", type: "uint32", label: "required" },
  { number: 2, name: "producer", type: "string", label: "required" },
  { number: 3, name: "personality", type: "uint32", label: "optional" },
  { number: 4, name: "coredump_filter", type: "uint32", label: "optional" },
  { number: 5, name: "threads", type: "message", label: "repeated", message: () => stasis_thread_entrySchema },
  { number: 6, name: "files", type: "message", label: "repeated", message: () => stasis_file_entrySchema },
  { number: 7, name: "vmas", type: "message", label: "repeated", message: () => stasis_vma_entrySchema },
  { number: 8, name: "page_size", type: "uint32", label: "optional" },
  { number: 9, name: "kernel_release", type: "string", label: "optional" },
  { number: 10, name: "thp_disable", type: "uint32", label: "optional" },
  { number: 11, name: "mdwe", type: "uint32", label: "optional" },
  { number: 12, name: "memory_merge", type: "bool", label: "optional" },
  { number: 13, name: "descriptors", type: "uint32", label: "optional" },
  { number: 30, name: "exit_signal", type: "uint32", label: "optional" },
  { number: 31, name: "stop_unseen", type: "bool", label: "optional" },
  { number: 40, name: "futex_slots", type: "uint32", label: "optional" },
  { number: 41, name: "timer_restore_ids", type: "bool", label: "optional" },
  { number: 42, name: "autogroup_nice", type: "sint32", label: "optional" },
  { number: 43, name: "mlock_future", type: "uint32", label: "optional" },
  { number: 44, name: "session_keyring", type: "sint32", label: "optional" },
  { number: 45, name: "xstate_permission", type: "uint64", label: "optional" },
  { number: 46, name: "protection_keys", type: "uint32", label: "optional" },
  { number: 47, name: "execute_only_key", type: "uint32", label: "optional" },
  { number: 48, name: "guest_xstate_permission", type: "uint64", label: "optional" },
  { number: 70, name: "shm", type: "message", label: "repeated", message: () => stasis_shm_entrySchema },
])
