import { apparmor_entrySchema } from "../../proto/gen/apparmor_pb.ts"
import { autofs_entrySchema } from "../../proto/gen/autofs_pb.ts"
import { binfmt_misc_entrySchema } from "../../proto/gen/binfmt-misc_pb.ts"
import { bpfmap_data_entrySchema } from "../../proto/gen/bpfmap-data_pb.ts"
import { bpfmap_file_entrySchema } from "../../proto/gen/bpfmap-file_pb.ts"
import { cgroup_entrySchema } from "../../proto/gen/cgroup_pb.ts"
import { core_entrySchema, task_kobj_ids_entrySchema } from "../../proto/gen/core_pb.ts"
import { cpuinfo_entrySchema } from "../../proto/gen/cpuinfo_pb.ts"
import { creds_entrySchema } from "../../proto/gen/creds_pb.ts"
import { eventfd_file_entrySchema } from "../../proto/gen/eventfd_pb.ts"
import { eventpoll_file_entrySchema, eventpoll_tfd_entrySchema } from "../../proto/gen/eventpoll_pb.ts"
import { ext_file_entrySchema } from "../../proto/gen/ext-file_pb.ts"
import { fdinfo_entrySchema, file_entrySchema } from "../../proto/gen/fdinfo_pb.ts"
import { irmap_cache_entrySchema } from "../../proto/gen/fh_pb.ts"
import { fifo_entrySchema } from "../../proto/gen/fifo_pb.ts"
import { file_lock_entrySchema } from "../../proto/gen/file-lock_pb.ts"
import { fs_entrySchema } from "../../proto/gen/fs_pb.ts"
import {
  fanotify_file_entrySchema,
  fanotify_mark_entrySchema,
  inotify_file_entrySchema,
  inotify_wd_entrySchema,
} from "../../proto/gen/fsnotify_pb.ts"
import { ghost_chunk_entrySchema, ghost_file_entrySchema } from "../../proto/gen/ghost-file_pb.ts"
import { inventory_entrySchema } from "../../proto/gen/inventory_pb.ts"
import { ipc_msg_entrySchema } from "../../proto/gen/ipc-msg_pb.ts"
import { ipc_sem_entrySchema } from "../../proto/gen/ipc-sem_pb.ts"
import { ipc_shm_entrySchema } from "../../proto/gen/ipc-shm_pb.ts"
import { ipc_var_entrySchema } from "../../proto/gen/ipc-var_pb.ts"
import { memfd_inode_entrySchema } from "../../proto/gen/memfd_pb.ts"
import { mm_entrySchema } from "../../proto/gen/mm_pb.ts"
import { mnt_entrySchema } from "../../proto/gen/mnt_pb.ts"
import { net_device_entrySchema, netns_entrySchema } from "../../proto/gen/netdev_pb.ts"
import { ns_file_entrySchema } from "../../proto/gen/ns_pb.ts"
import { packet_sock_entrySchema } from "../../proto/gen/packet-sock_pb.ts"
import { type pagemap_entry, pagemap_entrySchema, type pagemap_head, pagemap_headSchema } from "../../proto/gen/pagemap_pb.ts"
import { pidfd_entrySchema } from "../../proto/gen/pidfd_pb.ts"
import { pidns_entrySchema } from "../../proto/gen/pidns_pb.ts"
import { pipe_entrySchema } from "../../proto/gen/pipe_pb.ts"
import { pipe_data_entrySchema } from "../../proto/gen/pipe-data_pb.ts"
import { pstree_entrySchema } from "../../proto/gen/pstree_pb.ts"
import { reg_file_entrySchema } from "../../proto/gen/regfile_pb.ts"
import { remap_file_path_entrySchema } from "../../proto/gen/remap-file-path_pb.ts"
import { rlimit_entrySchema } from "../../proto/gen/rlimit_pb.ts"
import { sa_entrySchema } from "../../proto/gen/sa_pb.ts"
import { seccomp_entrySchema } from "../../proto/gen/seccomp_pb.ts"
import { siginfo_entrySchema } from "../../proto/gen/siginfo_pb.ts"
import { signalfd_entrySchema } from "../../proto/gen/signalfd_pb.ts"
import { inet_sk_entrySchema } from "../../proto/gen/sk-inet_pb.ts"
import { netlink_sk_entrySchema } from "../../proto/gen/sk-netlink_pb.ts"
import { sk_packet_entrySchema } from "../../proto/gen/sk-packet_pb.ts"
import { unix_sk_entrySchema } from "../../proto/gen/sk-unix_pb.ts"
import { stasis_task_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { stats_entrySchema } from "../../proto/gen/stats_pb.ts"
import { tcp_stream_entrySchema } from "../../proto/gen/tcp-stream_pb.ts"
import { timens_entrySchema } from "../../proto/gen/timens_pb.ts"
import { itimer_entrySchema, posix_timer_entrySchema } from "../../proto/gen/timer_pb.ts"
import { timerfd_entrySchema } from "../../proto/gen/timerfd_pb.ts"
import { tty_data_entrySchema, tty_file_entrySchema, tty_info_entrySchema } from "../../proto/gen/tty_pb.ts"
import { tunfile_entrySchema } from "../../proto/gen/tun_pb.ts"
import { userns_entrySchema } from "../../proto/gen/userns_pb.ts"
import { utsns_entrySchema } from "../../proto/gen/utsns_pb.ts"
import { vma_entrySchema } from "../../proto/gen/vma_pb.ts"
import type { MessageOf, Schema } from "../../proto/schema.ts"
import { ghostLength, messagesLength, padded } from "./payload.ts"

/** First word of an ordinary image of a version-2 set; the word of the kind follows. */
export const COMMON_MAGIC = 0x54564319
/** First word of stats-dump, stats-restore and irmap-cache. */
export const SERVICE_MAGIC = 0x55105940

/** Bytes that follow an entry. `rest` = what the file has left after it. May be more than `rest` holds: then the file is cut short. */
type PayloadLength<T> = (entry: T, rest: Uint8Array) => number

/** An image that consists of entries: how its files are named, how they begin, and what is in them. */
export interface EntryImage<T extends object = object, H extends object = T> {
  /** "inventory": its own word only, in any version. "raw" images are a separate shape. */
  readonly framing: "inventory" | "ordinary" | "service"
  /** File name; %u decimal id, %x hexadecimal id, %s word. */
  readonly file: string
  readonly magic: number
  /** Type of the first entry; the same as `entry` for most images. */
  readonly head: Schema<H>
  readonly entry: Schema<T>
  /** Bytes that follow an entry; as methods, so that every row is an EntryImage<object>. @see PayloadLength */
  headPayload(entry: H, rest: Uint8Array): number
  payload(entry: T, rest: Uint8Array): number
}

/** An image without any head: bytes of another format, or pages. */
interface RawImage {
  readonly framing: "raw"
  readonly file: string
}

/** Of an image whose entries are all there is. */
export const noPayload = (): number => 0

function image<T extends object>(
  file: string,
  magic: number,
  entry: Schema<T>,
  payload: PayloadLength<T> = noPayload,
  framing: EntryImage["framing"] = "ordinary",
): EntryImage<T> {
  return { framing, file, magic, head: entry, entry, headPayload: payload, payload }
}

function headed<T extends object, H extends object>(
  file: string,
  magic: number,
  head: Schema<H>,
  entry: Schema<T>,
  headPayload: PayloadLength<H>,
  payload: PayloadLength<T>,
): EntryImage<T, H> {
  return { framing: "ordinary", file, magic, head, entry, headPayload, payload }
}

const pagemap = (file: string): EntryImage<pagemap_entry, pagemap_head> =>
  headed(file, 0x56084025, pagemap_headSchema, pagemap_entrySchema, noPayload, noPayload)

const raw = (file: string): RawImage => ({ framing: "raw", file })

/**
 * Every image there is: kind -> file name, magic, first and later entries, payload. The kind is the file name without its id.
 *
 * The words of stasis-core read "STAS" in a dump of its bytes; CRIU never opens a file it does not know.
 */
export const catalog = {
  // what every set has
  inventory: image("inventory.img", 0x58313116, inventory_entrySchema, noPayload, "inventory"),
  pstree: image("pstree.img", 0x50273030, pstree_entrySchema),
  core: image("core-%u.img", 0x55053847, core_entrySchema),
  ids: image("ids-%u.img", 0x54432030, task_kobj_ids_entrySchema),
  mm: image("mm-%u.img", 0x57492820, mm_entrySchema),
  fs: image("fs-%u.img", 0x51403912, fs_entrySchema),
  pagemap: pagemap("pagemap-%u.img"),
  "pagemap-shmem": pagemap("pagemap-shmem-%u.img"),
  pages: raw("pages-%u.img"),
  files: image("files.img", 0x56303138, file_entrySchema),
  fdinfo: image("fdinfo-%u.img", 0x56213732, fdinfo_entrySchema),
  seccomp: image("seccomp.img", 0x64413049, seccomp_entrySchema),
  timens: image("timens-%u.img", 0x43114433, timens_entrySchema),
  // contents and state of open files
  "pipes-data": image("pipes-data.img", 0x56453709, pipe_data_entrySchema, ({ bytes }) => bytes),
  "fifo-data": image("fifo-data.img", 0x59333054, pipe_data_entrySchema, ({ bytes }) => bytes),
  "sk-queues": image("sk-queues.img", 0x56264026, sk_packet_entrySchema, ({ length }) => length),
  "tcp-stream": image("tcp-stream-%x.img", 0x51465506, tcp_stream_entrySchema, ({ inq_len, outq_len }) => inq_len + outq_len),
  "tty-info": image("tty-info.img", 0x59453036, tty_info_entrySchema),
  "tty-data": image("tty-data.img", 0x59413026, tty_data_entrySchema),
  memfd: image("memfd.img", 0x48453499, memfd_inode_entrySchema),
  "bpfmap-data": image("bpfmap-data.img", 0x64324033, bpfmap_data_entrySchema, ({ keys_bytes, values_bytes }) => keys_bytes + values_bytes),
  filelocks: image("filelocks.img", 0x54323616, file_lock_entrySchema),
  "remap-fpath": image("remap-fpath.img", 0x59133954, remap_file_path_entrySchema),
  "ghost-file": headed("ghost-file-%x.img", 0x52583605, ghost_file_entrySchema, ghost_chunk_entrySchema, ghostLength, ({ len }) =>
    Number(len),
  ),
  // host, groups and namespaces
  cgroup: image("cgroup.img", 0x59383330, cgroup_entrySchema),
  cpuinfo: image("cpuinfo.img", 0x61404013, cpuinfo_entrySchema),
  apparmor: image("apparmor.img", 0x59423047, apparmor_entrySchema),
  utsns: image("utsns-%u.img", 0x54473203, utsns_entrySchema),
  "ipcns-var": image("ipcns-var-%u.img", 0x53115007, ipc_var_entrySchema),
  "ipcns-shm": image("ipcns-shm-%u.img", 0x46283044, ipc_shm_entrySchema, ({ in_pagemaps, size }) =>
    in_pagemaps ? 0 : padded(Number(size), 4),
  ),
  "ipcns-msg": image("ipcns-msg-%u.img", 0x55453737, ipc_msg_entrySchema, ({ qnum }, rest) => messagesLength(qnum, rest)),
  "ipcns-sem": image("ipcns-sem-%u.img", 0x59573019, ipc_sem_entrySchema, ({ nsems }) => padded(nsems * 2, 8)),
  userns: image("userns-%u.img", 0x55474906, userns_entrySchema),
  pidns: image("pidns-%u.img", 0x61157326, pidns_entrySchema),
  mountpoints: image("mountpoints-%u.img", 0x55563928, mnt_entrySchema),
  netdev: image("netdev-%u.img", 0x57373951, net_device_entrySchema),
  netns: image("netns-%u.img", 0x55933752, netns_entrySchema),
  ifaddr: raw("ifaddr-%u.img"),
  route: raw("route-%u.img"),
  route6: raw("route6-%u.img"),
  rule: raw("rule-%u.img"),
  iptables: raw("iptables-%u.img"),
  ip6tables: raw("ip6tables-%u.img"),
  nftables: raw("nftables-%u.img"),
  "netns-ct": raw("netns-ct-%u.img"),
  "netns-exp": raw("netns-exp-%u.img"),
  "tmpfs-dev": raw("tmpfs-dev-%u.tar.gz.img"),
  autofs: image("autofs-%u.img", 0x49353943, autofs_entrySchema),
  "binfmt-misc": image("binfmt-misc.img", 0x67343323, binfmt_misc_entrySchema),
  // service files, in the work directory
  stats: image("stats-%s", 0x57093306, stats_entrySchema, () => 0, "service"),
  "irmap-cache": image("irmap-cache", 0x57004059, irmap_cache_entrySchema, () => 0, "service"),
  // ours
  "stasis-core": image("stasis-core-%u.img", 0x53415453, stasis_task_entrySchema),
  // of old sets: read, never written
  vmas: image("vmas-%u.img", 0x54123737, vma_entrySchema),
  sigacts: image("sigacts-%u.img", 0x55344201, sa_entrySchema),
  itimers: image("itimers-%u.img", 0x57464056, itimer_entrySchema),
  "posix-timers": image("posix-timers-%u.img", 0x52603957, posix_timer_entrySchema),
  creds: image("creds-%u.img", 0x54023547, creds_entrySchema),
  rlimit: image("rlimit-%u.img", 0x57113925, rlimit_entrySchema),
  "signal-s": image("signal-s-%u.img", 0x59255647, siginfo_entrySchema),
  "signal-p": image("signal-p-%u.img", 0x59255647, siginfo_entrySchema),
  "pages-shmem": raw("pages-shmem-%u.img"),
  tmpfs: raw("tmpfs-%u.tar.gz.img"),
  "binfmt-misc-old": image("binfmt-misc-%u.img", 0x67343323, binfmt_misc_entrySchema),
  "reg-files": image("reg-files.img", 0x50363636, reg_file_entrySchema),
  "ext-files": image("ext-files.img", 0x59255641, ext_file_entrySchema),
  "ns-files": image("ns-files.img", 0x61394011, ns_file_entrySchema),
  eventfd: image("eventfd.img", 0x44523722, eventfd_file_entrySchema),
  eventpoll: image("eventpoll.img", 0x45023858, eventpoll_file_entrySchema),
  "eventpoll-tfd": image("eventpoll-tfd.img", 0x44433746, eventpoll_tfd_entrySchema),
  signalfd: image("signalfd.img", 0x57323820, signalfd_entrySchema),
  inotify: image("inotify.img", 0x48424431, inotify_file_entrySchema),
  "inotify-wd": image("inotify-wd.img", 0x54562009, inotify_wd_entrySchema),
  fanotify: image("fanotify.img", 0x55096122, fanotify_file_entrySchema),
  "fanotify-mark": image("fanotify-mark.img", 0x56506035, fanotify_mark_entrySchema),
  pipes: image("pipes.img", 0x56513555, pipe_entrySchema),
  fifo: image("fifo.img", 0x58364939, fifo_entrySchema),
  unixsk: image("unixsk.img", 0x54373943, unix_sk_entrySchema),
  inetsk: image("inetsk.img", 0x56443851, inet_sk_entrySchema),
  packetsk: image("packetsk.img", 0x60454618, packet_sock_entrySchema),
  netlinksk: image("netlinksk.img", 0x58005614, netlink_sk_entrySchema),
  tty: image("tty.img", 0x59433025, tty_file_entrySchema),
  tunfile: image("tunfile.img", 0x57143751, tunfile_entrySchema),
  timerfd: image("timerfd.img", 0x50493712, timerfd_entrySchema),
  "bpfmap-file": image("bpfmap-file.img", 0x57506142, bpfmap_file_entrySchema),
  pidfd: image("pidfd.img", 0x54435556, pidfd_entrySchema),
} as const

export type Kind = keyof typeof catalog
/** Kinds without any head. */
type RawKind = { [K in Kind]: (typeof catalog)[K] extends RawImage ? K : never }[Kind]
/** Kinds that consist of entries. */
export type EntryKind = Exclude<Kind, RawKind>

/** True for images that hold entries. */
export const isEntryKind = (kind: Kind): kind is EntryKind => catalog[kind].framing !== "raw"
/** First entry of a kind. */
export type HeadOf<K extends EntryKind> = MessageOf<(typeof catalog)[K]["head"]>
/** Any entry of a kind. For pagemaps and ghost files the first is a HeadOf and the others are not. */
export type EntryOf<K extends EntryKind> = MessageOf<(typeof catalog)[K]["head"]> | MessageOf<(typeof catalog)[K]["entry"]>
