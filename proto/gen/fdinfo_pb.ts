// Made from proto/fdinfo.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { bpfmap_file_entrySchema, type bpfmap_file_entry } from "./bpfmap-file_pb.ts"
import { eventfd_file_entrySchema, type eventfd_file_entry } from "./eventfd_pb.ts"
import { eventpoll_file_entrySchema, type eventpoll_file_entry } from "./eventpoll_pb.ts"
import { ext_file_entrySchema, type ext_file_entry } from "./ext-file_pb.ts"
import { fifo_entrySchema, type fifo_entry } from "./fifo_pb.ts"
import { fanotify_file_entrySchema, inotify_file_entrySchema, type fanotify_file_entry, type inotify_file_entry } from "./fsnotify_pb.ts"
import { memfd_file_entrySchema, type memfd_file_entry } from "./memfd_pb.ts"
import { ns_file_entrySchema, type ns_file_entry } from "./ns_pb.ts"
import { packet_sock_entrySchema, type packet_sock_entry } from "./packet-sock_pb.ts"
import { pidfd_entrySchema, type pidfd_entry } from "./pidfd_pb.ts"
import { pipe_entrySchema, type pipe_entry } from "./pipe_pb.ts"
import { reg_file_entrySchema, type reg_file_entry } from "./regfile_pb.ts"
import { signalfd_entrySchema, type signalfd_entry } from "./signalfd_pb.ts"
import { inet_sk_entrySchema, type inet_sk_entry } from "./sk-inet_pb.ts"
import { netlink_sk_entrySchema, type netlink_sk_entry } from "./sk-netlink_pb.ts"
import { type unix_sk_entry, unix_sk_entrySchema } from "./sk-unix_pb.ts"
import { timerfd_entrySchema, type timerfd_entry } from "./timerfd_pb.ts"
import { tty_file_entrySchema, type tty_file_entry } from "./tty_pb.ts"
import { tunfile_entrySchema, type tunfile_entry } from "./tun_pb.ts"

/** Kind of an open file: selects the sub-message of file_entry. CTL_TTY and AUTOFS_PIPE never reach an image. */
export enum fd_types {
  UND = 0,
  REG = 1,
  PIPE = 2,
  FIFO = 3,
  INETSK = 4,
  UNIXSK = 5,
  EVENTFD = 6,
  EVENTPOLL = 7,
  INOTIFY = 8,
  SIGNALFD = 9,
  PACKETSK = 10,
  TTY = 11,
  FANOTIFY = 12,
  NETLINKSK = 13,
  NS = 14,
  TUNF = 15,
  EXT = 16,
  TIMERFD = 17,
  MEMFD = 18,
  BPFMAP = 19,
  PIDFD = 20,
  CTL_TTY = 65534,
  AUTOFS_PIPE = 65535,
}

/** fdinfo-%u.img, one entry per descriptor. flags: FD_CLOEXEC = 1. */
export interface fdinfo_entry {
  id: number
  flags: number
  type: fd_types
  fd: number
  xattr_security_selinux?: string
}
export const fdinfo_entrySchema: Schema<fdinfo_entry> = schema("fdinfo_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "type", type: "enum", label: "required", values: fd_types },
  { number: 4, name: "fd", type: "uint32", label: "required" },
  { number: 5, name: "xattr_security_selinux", type: "string", label: "optional" },
])

/** files.img, one entry per open file description: exactly one sub-message, with the same id. */
export interface file_entry {
  type: fd_types
  id: number
  reg?: reg_file_entry
  isk?: inet_sk_entry
  nsf?: ns_file_entry
  psk?: packet_sock_entry
  nlsk?: netlink_sk_entry
  efd?: eventfd_file_entry
  epfd?: eventpoll_file_entry
  sgfd?: signalfd_entry
  tunf?: tunfile_entry
  tfd?: timerfd_entry
  ify?: inotify_file_entry
  ffy?: fanotify_file_entry
  ext?: ext_file_entry
  usk?: unix_sk_entry
  fifo?: fifo_entry
  pipe?: pipe_entry
  tty?: tty_file_entry
  memfd?: memfd_file_entry
  bpf?: bpfmap_file_entry
  pidfd?: pidfd_entry
}
export const file_entrySchema: Schema<file_entry> = schema("file_entry", () => [
  { number: 1, name: "type", type: "enum", label: "required", values: fd_types },
  { number: 2, name: "id", type: "uint32", label: "required" },
  { number: 3, name: "reg", type: "message", label: "optional", message: () => reg_file_entrySchema },
  { number: 4, name: "isk", type: "message", label: "optional", message: () => inet_sk_entrySchema },
  { number: 5, name: "nsf", type: "message", label: "optional", message: () => ns_file_entrySchema },
  { number: 6, name: "psk", type: "message", label: "optional", message: () => packet_sock_entrySchema },
  { number: 7, name: "nlsk", type: "message", label: "optional", message: () => netlink_sk_entrySchema },
  { number: 8, name: "efd", type: "message", label: "optional", message: () => eventfd_file_entrySchema },
  { number: 9, name: "epfd", type: "message", label: "optional", message: () => eventpoll_file_entrySchema },
  { number: 10, name: "sgfd", type: "message", label: "optional", message: () => signalfd_entrySchema },
  { number: 11, name: "tunf", type: "message", label: "optional", message: () => tunfile_entrySchema },
  { number: 12, name: "tfd", type: "message", label: "optional", message: () => timerfd_entrySchema },
  { number: 13, name: "ify", type: "message", label: "optional", message: () => inotify_file_entrySchema },
  { number: 14, name: "ffy", type: "message", label: "optional", message: () => fanotify_file_entrySchema },
  { number: 15, name: "ext", type: "message", label: "optional", message: () => ext_file_entrySchema },
  { number: 16, name: "usk", type: "message", label: "optional", message: () => unix_sk_entrySchema },
  { number: 17, name: "fifo", type: "message", label: "optional", message: () => fifo_entrySchema },
  { number: 18, name: "pipe", type: "message", label: "optional", message: () => pipe_entrySchema },
  { number: 19, name: "tty", type: "message", label: "optional", message: () => tty_file_entrySchema },
  { number: 20, name: "memfd", type: "message", label: "optional", message: () => memfd_file_entrySchema },
  { number: 21, name: "bpf", type: "message", label: "optional", message: () => bpfmap_file_entrySchema },
  { number: 22, name: "pidfd", type: "message", label: "optional", message: () => pidfd_entrySchema },
])
