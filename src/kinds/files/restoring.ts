import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import type { Load, Program, Result } from "../../tracee/program.ts"
import type { BpfMapData, PipeData, SocketData } from "./payloads.ts"
import type { Self } from "./self.ts"
import type { Stream } from "./socket/inet/stream.ts"

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
