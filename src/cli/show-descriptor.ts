import { core_entry_march } from "../../proto/gen/core_pb.ts"
import { fd_types, type file_entry } from "../../proto/gen/fdinfo_pb.ts"
import type { inotify_file_entry } from "../../proto/gen/fsnotify_pb.ts"
import type { packet_sock_entry } from "../../proto/gen/packet-sock_pb.ts"
import type { inet_sk_entry } from "../../proto/gen/sk-inet_pb.ts"
import type { unix_sk_entry } from "../../proto/gen/sk-unix_pb.ts"
import type { timerfd_entry } from "../../proto/gen/timerfd_pb.ts"
import { textOf } from "../../proto/text.ts"
import { openWords, signalWords } from "./show-words.ts"

const AF_INET = 2
const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 136: "udplite" }
const SOCKETS: Readonly<Record<number, string>> = { 1: "stream", 2: "dgram", 3: "raw", 5: "seqpacket" }

/** Addresses are network-order bytes, seen as words of the dumping host. */
function address(family: number, words: readonly number[], port: number): string {
  const bytes = words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24])
  if (family === AF_INET) return `${bytes.slice(0, 4).join(".")}:${port}`
  const groups = Array.from({ length: 8 }, (_, at) => (((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0)).toString(16))
  return `[${groups.join(":")}]:${port}`
}

/** States of TCP, from 1 on. Header: include/net/tcp_states.h */
const STATES = "established syn-sent syn-recv fin-wait-1 fin-wait-2 time-wait close close-wait last-ack listen closing".split(" ")
const HALVES = ["", ", shut for reading", ", shut for writing", ", shut"]

function inetText({ family, type, proto, state, backlog, shutdown, src_addr, src_port, dst_addr, dst_port }: inet_sk_entry): string {
  const name = `${type === 3 ? "raw " : ""}${PROTOCOLS[proto] ?? `protocol ${proto}`}`
  const word = proto === 6 ? `, ${STATES[state - 1] ?? `state ${state}`}${backlog ? ` ${backlog}` : ""}` : ""
  return `${name} ${address(family, src_addr, src_port)} -> ${address(family, dst_addr, dst_port)}${word}${HALVES[shutdown ?? 0] ?? ""}`
}

const UNIX_STATES: Readonly<Record<number, string>> = { 1: "connected", 7: "unconnected", 10: "listening" }

/** A path ends with a NUL, an abstract name begins with one. */
const unixName = (name: Uint8Array): string => textOf(name).replace(/\0$/, "").replaceAll("\0", "@")

function unixText({ type, ino, state, peer, name, backlog, deleted, shutdown }: unix_sk_entry): string {
  const words = [
    `unix ${SOCKETS[type] ?? type} ${ino} ${UNIX_STATES[state] ?? `state ${state}`}`,
    state === 10 ? `backlog ${backlog}` : "",
    peer ? `peer ${peer}` : "",
    shutdown ? `shut ${["", "read", "write", "read and write"][shutdown] ?? shutdown}` : "",
    unixName(name),
    deleted ? "(removed)" : "",
  ]
  return words.filter((word) => word !== "").join(" ")
}

const CLOCKS: Readonly<Record<number, string>> = { 0: "realtime", 1: "monotonic", 7: "boottime", 8: "realtime alarm", 9: "boottime alarm" }

const secondsText = (seconds: bigint, nanoseconds: bigint): string => `${seconds}.${String(nanoseconds).padStart(9, "0")} s`

function timerText({ clockid, settime_flags, vsec, vnsec, isec, insec, ticks }: timerfd_entry): string {
  const flags = [settime_flags & 1 ? ["absolute"] : [], settime_flags & 2 ? ["cancel-on-set"] : []].flat()
  const left = vsec || vnsec ? `${secondsText(vsec, vnsec)} left` : "not running"
  const interval = isec || insec ? [`every ${secondsText(isec, insec)}`] : []
  return [`${CLOCKS[clockid] ?? clockid} clock`, ...flags, left, ...interval, `${ticks} ticks`].join(", ")
}

/** Watches that are told one by one. */
const SHOWN_WATCHES = 8

function watchesText({ wd }: inotify_file_entry): string {
  const told = [...wd].sort((a, b) => a.wd - b.wd).slice(0, SHOWN_WATCHES)
  const texts = told.map((one) => `${one.wd}: ${one.f_handle.path ?? `inode ${one.i_ino}`} (0x${one.mask.toString(16)})`)
  const more = wd.length > SHOWN_WATCHES ? [`${wd.length - SHOWN_WATCHES} more`] : []
  return `watches ${[...texts, ...more].join(", ") || "nothing"}`
}

/** The protocol stands in network order. */
function packetText({ protocol, ifindex, rx_ring, tx_ring }: packet_sock_entry): string {
  const number = ((protocol & 0xff) << 8) | (protocol >> 8)
  const rings = [...(rx_ring ? ["to receive"] : []), ...(tx_ring ? ["to send"] : [])].map((what) => `, a ring ${what}`).join("")
  return `packet protocol 0x${number.toString(16).padStart(4, "0")}, interface ${ifindex || "any"}${rings}`
}

/** What is behind a descriptor, by the kind of its file: path, id, counter. */
export function fileText(file: file_entry): string {
  const { reg, pipe, fifo, efd, epfd, sgfd, tfd, usk, isk, memfd, nsf, pidfd, tty, nlsk, psk, ify, ffy, tunf, bpf } = file
  if (reg) return reg.name
  if (pipe) return `pipe:[${pipe.pipe_id}] ${pipe.flags & 1 ? "write" : "read"} end`
  if (fifo) return `fifo ${fifo.pipe_id}, path of file ${fifo.regf_id ?? "?"}`
  if (efd) return `counter ${efd.counter}`
  if (epfd) return `watches ${epfd.tfd.map(({ tfd, events }) => `fd ${tfd} (0x${events.toString(16)})`).join(", ") || "nothing"}`
  if (sgfd) return `signals ${signalWords(sgfd.sigmask)}`
  if (tfd) return timerText(tfd)
  if (usk) return unixText(usk)
  if (isk) return inetText(isk)
  if (memfd) return `memfd inode ${memfd.inode_id}`
  if (nsf) return `namespace ${nsf.ns_id}`
  if (pidfd) return pidfd.nspid === -1 ? "of a dead process" : `of task ${pidfd.nspid}`
  if (tty) return `terminal ${tty.tty_info_id}`
  if (nlsk) return `netlink protocol ${nlsk.protocol}, port ${nlsk.portid}`
  if (psk) return packetText(psk)
  if (ify) return watchesText(ify)
  if (ffy) return `${ffy.mark.length} marks`
  if (tunf) return tunf.netdev ?? "no device"
  return bpf ? `map ${bpf.map_id}${bpf.map_name ? ` "${bpf.map_name}"` : ""}, room for ${bpf.max_entries} entries` : ""
}

/** The flags, the position and the common parts that most kinds have. */
export function fileState(file: file_entry): { readonly flags: number | undefined; readonly pos: bigint | undefined } {
  const { reg, memfd } = file
  const body =
    reg ??
    file.pipe ??
    file.efd ??
    file.epfd ??
    file.sgfd ??
    file.tfd ??
    file.usk ??
    file.isk ??
    memfd ??
    file.tty ??
    file.pidfd ??
    file.nlsk ??
    file.ify ??
    file.ffy ??
    file.psk ??
    file.bpf
  return { flags: body?.flags, pos: reg?.pos ?? memfd?.pos }
}

/** Kind of a file as a word: "reg", "pipe". */
export const fileKind = (file: file_entry): string => (fd_types[file.type] ?? `type ${file.type}`).toLowerCase()

const MACHINES: Readonly<Record<number, string>> = { [core_entry_march.X86_64]: "x64", [core_entry_march.AARCH64]: "arm64" }

/** "rw nonblock" of a file that a process on `machine` has open; empty for kinds without flags. */
export function fileFlags(file: file_entry, machine: core_entry_march): string {
  const { flags } = fileState(file)
  return flags === undefined ? "" : openWords(flags, MACHINES[machine])
}
