import type { bpfmap_data_entry } from "../../../proto/gen/bpfmap-data_pb.ts"
import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { pipe_data_entry } from "../../../proto/gen/pipe-data_pb.ts"
import type { sk_packet_entry } from "../../../proto/gen/sk-packet_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import type { Refusal } from "../../base/errors.ts"
import type { FdInfo } from "../../proc/fdinfo.ts"
import type { Load, Program, Result } from "../../tracee/program.ts"
import type { LoadedProgram } from "./bpf-map/ask.ts"
import type { Copies } from "./copies.ts"
import type { FileIds } from "./ids.ts"
import type { Keeping } from "./keeping.ts"
import type { Self } from "./self.ts"
import type { SocketKind } from "./socket/ask.ts"
import type { DiagSocket } from "./socket/diag.ts"
import type { Connections } from "./socket/inet/connections.ts"
import type { Stream } from "./socket/inet/stream.ts"
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

/** A process whose descriptors are kept. */
export interface Holder {
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
  /** The processes run: queues, which only those of stopped ones can be looked into unseen, are left out. */
  readonly isRunning?: true
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
  readonly holders: readonly Holder[]
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

/** A pipe's content: a message and the bytes behind it, as pipes-data.img wants them. */
export interface PipeData {
  readonly message: pipe_data_entry
  readonly payload: Uint8Array
}

/** A message in a socket's queue and the bytes behind it, as sk-queues.img wants them. */
export interface SocketData {
  readonly message: sk_packet_entry
  readonly payload: Uint8Array
}

/** What is in a BPF map: a message and the bytes behind it, keys first, as bpfmap-data.img wants them. */
export interface BpfMapData {
  readonly message: bpfmap_data_entry
  readonly payload: Uint8Array
}

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
  /** TCP connections to be kept, held off; undefined where none is to be touched. */
  readonly connections: Connections | undefined
  /** What is lost although its object is kept, for people. */
  readonly losses: string[]
  /** Time that a clock shows to the tree now, ns. @param clock CLOCK_* number */
  clock(clock: number): bigint
}

/** A descriptor that a program has opened: closed again when it stands at its own number. */
export type Opened = Result | Load

/** Both ends of a new pipe on their way to their numbers. */
export interface NewPipe {
  /** Ends that pipe2 made, by the file id that gets them. */
  readonly ends: ReadonlyMap<number, Opened>
  /** A wanted number that leads to the pipe already: /proc/self/fd/N opens it once more. */
  readonly anchor: number
}

/** A descriptor that whoever restores gives for an open file of the images. */
export interface Given {
  /** Reserved descriptor that leads to it. */
  readonly number: number
  /** It is a pipe: each end of ours is opened anew, with flags of its own. All else is shared with whoever gave it, as by dup(2). */
  readonly isPipe: boolean
}

/** The clocks that a new tree sees. */
export interface NewClocks {
  /** They go on where the dump found them: a moment of theirs is the same one. */
  readonly goOn: boolean
  /** What one shows when the tree begins to run, as near as known, ns. @param clock CLOCK_* number */
  now(clock: number): bigint
}

/** A restore on its way: what rows read, and where they append. */
export interface Restoring {
  readonly program: Program
  readonly files: ReadonlyMap<number, file_entry>
  /** Descriptors of each file id, ascending numbers. */
  readonly users: ReadonlyMap<number, readonly fdinfo_entry[]>
  /** Files that stand at reserved numbers already, made before the process was born. */
  readonly inherited: ReadonlyMap<number, number>
  /** Who runs the program. */
  readonly self: Self
  /** Whether a task of this ID exists when the program runs. */
  isBorn(tid: number): boolean
  readonly pipesData: ReadonlyMap<number, PipeData>
  /** By the file id of the receiving socket, in order. */
  readonly skQueues: ReadonlyMap<number, readonly SocketData[]>
  readonly fifoData: ReadonlyMap<number, PipeData>
  /** By the map's ID in the images. */
  readonly bpfMapsData: ReadonlyMap<number, BpfMapData>
  readonly ttyInfos: ReadonlyMap<number, tty_info_entry>
  readonly extension: ReadonlyMap<number, stasis_file_entry>
  readonly clocks: NewClocks
  /** By inode number of the socket. */
  readonly tcpStreams: ReadonlyMap<number, Stream>
  /** Reserved descriptor of the terminal that stasis runs on; undefined without one. */
  readonly terminal: number | undefined
  /** Reserved descriptors of masters, by the numbers of their terminals: see ./tty/reserve.ts */
  readonly masters: ReadonlyMap<number, number>
  /** Reserved descriptors of deleted files, by file id: see ./ghost/make.ts */
  readonly ghosts: ReadonlyMap<number, number>
  /** Reserved descriptors of memory files, by their inode ids. */
  readonly memfds: ReadonlyMap<number, number>
  /** Those of them that are executables of processes, by their inode ids. */
  readonly executed: ReadonlySet<number>
  /** Open files that whoever restores gives, by file id: see ./given.ts */
  readonly given: ReadonlyMap<number, Given>
  /** False while no terminal of the images controls the process, whose session is not made yet. */
  readonly isControlled: boolean
  readonly pipes: Map<number, NewPipe>
  /** Unix sockets on their way to their numbers, by file id. */
  readonly sockets: Map<number, Opened>
  /** Ends of FIFOs on their way to their numbers, by FIFO and file id. */
  readonly fifos: Map<number, ReadonlyMap<number, Opened>>
  /** Numbers that lead to BPF maps already, by the map's ID in the images. */
  readonly bpfMaps: Map<number, number>
  readonly configuredTtys: Set<number>
  /** Appends when every descriptor of this program stands at its number. */
  later(step: () => void): void
}

/** What links between open files are found in. */
export type Linked = Pick<Restoring, "files" | "skQueues">

/** What `start` of a row reads, and where it appends. */
export type Starting = Pick<Restoring, "program" | "extension" | "clocks">
