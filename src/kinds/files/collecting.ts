import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import type { Refusal } from "../../base/errors.ts"
import type { FdInfo } from "../../proc/fdinfo.ts"
import type { Group } from "../../proc/groups.ts"
import type { LoadedProgram } from "./bpf-map/ask.ts"
import type { Copies } from "./copies.ts"
import type { FileIds } from "./ids.ts"
import type { Keeping } from "./keeping.ts"
import type { BpfMapData, PipeData } from "./payloads.ts"
import type { SocketKind } from "./socket/ask.ts"
import type { DiagSocket } from "./socket/diag.ts"
import type { Connections } from "./socket/inet/connections.ts"
import type { PacketSocket } from "./socket/packet-sk/table.ts"
import type { Bound } from "./socket/unix/bound.ts"
import type { AllowedPeers, UnixScene } from "./socket/unix/view.ts"
import type { FileStat } from "./stat.ts"

/** A descriptor as seen from outside. Nothing about it is changed. */
export interface Found {
  readonly pid: number
  readonly fd: number
  /** What its link says: a path, "pipe:[7]", "anon_inode:[eventfd]" ... */
  readonly target: string
  readonly info: FdInfo
  readonly stat: FileStat
  /** Flags of the open file, O_CLOEXEC taken out. */
  readonly flags: number
  readonly cloexec: boolean
  readonly owner: fown_entry
  /** The file that a unix socket is bound to. */
  readonly bound?: Bound
  /** Of a socket: what it was made as. */
  readonly socket?: SocketKind
  /** Of a socket: it has a filter that nobody can read, a program of eBPF. */
  readonly filtered?: true
  /** Of a netlink socket: something is in its queue. */
  readonly unread?: true
}

/** An open file to collect: the descriptor with the lowest number of those that share it. */
export interface OpenFile extends Found {
  readonly id: number
}

/** A process of the dump whose table of descriptors is kept. */
export interface Insider {
  readonly pid: number
  readonly threads: readonly number[]
  /** Its process group. */
  readonly group: number
}

/** What may be kept at all, and how: options of a dump. */
export interface FileOptions extends Keeping, AllowedPeers {
  /** Terminals are inherited from whoever restores: CRIU's --shell-job. */
  readonly shellJob: boolean
  /** TCP connections come back as they were: CRIU's --tcp-established. */
  readonly tcpEstablished: boolean
  /** TCP connections come back closed: CRIU's --tcp-close. */
  readonly tcpClose: boolean
  /** Connections that nobody has accepted yet are lost: CRIU's --skip-in-flight. */
  readonly skipInFlight: boolean
  /** Files, terminals and devices that are left outside, by the names of ./external.ts: CRIU's --external. */
  readonly externals?: readonly string[]
  /** PIDs of the tree, zombies included; absent where only a part of it is looked at. */
  readonly members?: ReadonlySet<number>
}

/** When something is collected. */
export interface CollectMoment {
  /** The processes are stopped: what is queued in terminals may be taken out and put back. */
  readonly stopped: boolean
  /** Time that a clock shows to the tree now, ns. @param clock CLOCK_* number */
  clock(clock: number): bigint
  /** Even number of descriptors of a process that are enough; all when undefined. */
  readonly most?: number
}

/** What a row may look at when it judges a descriptor. */
export interface Surveying extends FileOptions {
  /** What is kept of files that their names do not lead to. */
  readonly keeping: Keeping
  /** What the kernel's tables say of the internet's sockets, by inode. */
  readonly inetSockets: ReadonlyMap<bigint, DiagSocket>
  /** Packet sockets, by inode. */
  readonly packetSockets: ReadonlyMap<bigint, PacketSocket>
  /** Loaded programs that use BPF maps, by the map's ID. */
  readonly usedBpfMaps: ReadonlyMap<number, LoadedProgram>
  /** Descriptors of the same process. */
  readonly descriptors: ReadonlyMap<number, Found>
  /** Every process of the dump. */
  readonly insiders: readonly Insider[]
  /** Descriptors of all processes that lead to a file with this number, in whatever file system. */
  openers(ino: bigint): readonly Found[]
  /** Task outside the dump that has this pipe open, if one was looked for and found. */
  pipeHolder(inode: bigint): number | undefined
  /** Whether both ends of this pipe are in the dump. */
  hasBothEnds(inode: bigint): boolean
  /** Task outside the dump that has this FIFO open, if one was looked for and found. */
  fifoHolder(stat: FileStat): number | undefined
  /** Numbers of the pseudo-terminals whose masters are in the dump. */
  readonly masters: ReadonlySet<number>
  /** Task outside the dump that uses the pseudo-terminal with this number, if one was looked for and found. */
  terminalHolder(index: number): number | undefined
  /** Task outside the dump that has this socket open, if one was looked for and found. */
  socketHolder(inode: bigint): number | undefined
  readonly unix: UnixScene
}

/** Why a descriptor cannot be kept. */
export type Reason = Pick<Refusal, "what" | "remedy">

/** What a dump has found of one pseudo-terminal. */
export interface TtyEnds {
  master?: { readonly file: OpenFile; readonly copies: Copies }
  hasSlave: boolean
  /** Somebody wants a signal (O_ASYNC) when something can be read or written. */
  signals: boolean
}

/** Where the rows of a dump put what is not in their own entry. */
export interface Collecting {
  readonly keeping: Keeping
  readonly table: FileIds
  /** Descriptors of the process that the file is collected from. */
  readonly copies: Copies
  readonly pipesData: Map<number, PipeData>
  /** By device and inode. */
  readonly fifoData: Map<string, PipeData>
  /** By the map's ID. */
  readonly bpfMapsData: Map<number, BpfMapData>
  readonly ttyInfos: Map<number, tty_info_entry>
  readonly externals: readonly string[]
  /** Whether both ends of this pipe are in the dump. */
  hasBothEnds(inode: bigint): boolean
  readonly unix: UnixScene
  /** File ids of unix sockets outside the dump, by inode: made up for who is connected to them. */
  readonly outsidePeers: Map<number, number>
  /** Ends of pseudo-terminals by their numbers. */
  readonly ttyEnds: Map<number, TtyEnds>
  readonly extension: stasis_file_entry[]
  readonly inetSockets: ReadonlyMap<bigint, DiagSocket>
  readonly packetSockets: ReadonlyMap<bigint, PacketSocket>
  /** Multicast groups of the network namespace, read when they are first asked for. */
  groups(): readonly Group[]
  /** Connections come back as new sockets: nothing of them is lost that was to be kept. */
  readonly tcpClose: boolean
  /** TCP connections to be kept, held off; undefined where none is to be touched. */
  readonly connections: Connections | undefined
  /** What is lost although its object is kept, for people. */
  readonly losses: string[]
  /** Time that a clock shows to the tree now, ns. @param clock CLOCK_* number */
  clock(clock: number): bigint
}
