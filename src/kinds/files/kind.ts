import type { fd_types, fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { pipe_data_entry } from "../../../proto/gen/pipe-data_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { CheckpointError, type Refusal } from "../../base/errors.ts"
import type { FdInfo } from "../../proc/fdinfo.ts"
import type { Load, Program, Result } from "../../tracee/program.ts"
import type { Copies } from "./copies.ts"
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

/** What a row may look at when it judges a descriptor. */
export interface Surveying {
  /** Terminals are inherited from whoever restores: CRIU's --shell-job. */
  readonly shellJob: boolean
  /** Descriptors of the same process. */
  readonly descriptors: ReadonlyMap<number, Found>
  /** Every process of the dump. */
  readonly holders: readonly Holder[]
  /** Task outside the dump that has this pipe open, if one was looked for and found. */
  pipeHolder(inode: bigint): number | undefined
  /** Task outside the dump that has this FIFO open, if one was looked for and found. */
  fifoHolder(stat: FileStat): number | undefined
  /** Numbers of the pseudo-terminals whose masters are in the dump. */
  readonly masters: ReadonlySet<number>
  /** Task outside the dump that uses the pseudo-terminal with this number, if one was looked for and found. */
  terminalHolder(index: number): number | undefined
}

/** Why a descriptor cannot be kept. */
export type Reason = Pick<Refusal, "what" | "remedy">

/** A pipe's content: a message and the bytes behind it, as pipes-data.img wants them. */
export interface PipeData {
  readonly message: pipe_data_entry
  readonly payload: Uint8Array
}

/** Gives ids to files, those that are known by their paths among them. */
interface NamedFiles {
  path(name: string, stat: FileStat, access: number): number
  nextId(): number
  add(entry: file_entry): void
  memfd(pid: number, fd: number, shown: string, stat: FileStat): number
}

/** Where the rows of a dump put what is not in their own entry. */
export interface Collecting {
  readonly table: NamedFiles
  /** Descriptors of the process that the file is collected from. */
  readonly copies: Copies
  readonly pipesData: Map<number, PipeData>
  /** By device and inode. */
  readonly fifoData: Map<string, PipeData>
  readonly ttyInfos: Map<number, tty_info_entry>
  readonly extension: stasis_file_entry[]
  /** What is lost although its object is kept, for people. */
  readonly losses: string[]
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

/** A restore on its way: what rows read, and where they append. */
export interface Restoring {
  readonly program: Program
  readonly files: ReadonlyMap<number, file_entry>
  /** Descriptors of each file id, ascending numbers. */
  readonly users: ReadonlyMap<number, readonly fdinfo_entry[]>
  readonly pipesData: ReadonlyMap<number, PipeData>
  readonly fifoData: ReadonlyMap<number, PipeData>
  readonly ttyInfos: ReadonlyMap<number, tty_info_entry>
  readonly extension: ReadonlyMap<number, stasis_file_entry>
  /** Reserved descriptor of the terminal that stasis runs on; undefined without one. */
  readonly terminal: number | undefined
  /** Reserved descriptors of masters, by the numbers of their terminals: see ./tty/reserve.ts */
  readonly masters: ReadonlyMap<number, number>
  /** Reserved descriptors of memory files, by their inode ids. */
  readonly segments: ReadonlyMap<number, number>
  /** False while no terminal of the images controls the process, whose session is not made yet. */
  readonly isControlled: boolean
  readonly pipes: Map<number, NewPipe>
  /** Ends of FIFOs on their way to their numbers, by FIFO and file id. */
  readonly fifos: Map<number, ReadonlyMap<number, Opened>>
  readonly configuredTtys: Set<number>
  /** Appends when every descriptor of this program stands at its number. */
  later(step: () => void): void
}

/** What `start` of a row reads, and where it appends. */
export type Starting = Pick<Restoring, "program" | "extension">

/** Members of file_entry that have a row. */
type BodyName = "reg" | "pipe" | "efd" | "epfd" | "tty" | "tfd" | "sgfd" | "fifo" | "memfd"
type Body<K extends BodyName> = NonNullable<file_entry[K]>

/** What is known of every open file. */
export interface FileFacts {
  readonly id: number
  readonly flags: number
  readonly fown: fown_entry
}

/** One kind of open file: the row that joins its two halves. */
interface FileKind<K extends BodyName> {
  readonly type: fd_types
  readonly body: K
  readonly matches: (found: Found) => boolean
  /** Why this very one cannot be kept. Asked with the process running, and again with it frozen. */
  readonly refuse?: (found: Found, surveying: Surveying) => Reason | undefined
  readonly collect: (file: OpenFile, collecting: Collecting) => Body<K>
  readonly restore: (entry: Body<K>, restoring: Restoring) => Opened
  /**
   * Appends what needs the other descriptors of a process that has this file open: when all of them stand at their numbers.
   *
   * @param fd number of the file there
   */
  readonly finish?: (entry: Body<K>, program: Program, fd: number) => void
  /**
   * Appends what makes the file go on by itself: among the last calls of a process that has it open, which has no privileges left then.
   *
   * @param fd number of the file there
   */
  readonly start?: (entry: Body<K>, starting: Starting, fd: number) => void
  /** Objects with several open files, such as pipes: those with equal keys are made by one program. */
  readonly object?: (entry: Body<K>) => string
  /** What most bodies have themselves. */
  readonly facts?: (entry: Body<K>, files: ReadonlyMap<number, file_entry>) => FileFacts
  /** `restore` calls open(2), which takes all flags; else they are set afterwards. */
  readonly named?: true
}

/** A row whose entry type is forgotten: takes and gives whole file entries. */
export interface FileRow {
  readonly type: fd_types
  readonly matches: (found: Found) => boolean
  readonly refuse: (found: Found, surveying: Surveying) => Reason | undefined
  readonly collect: (file: OpenFile, collecting: Collecting) => file_entry
  readonly restore: (entry: file_entry, restoring: Restoring) => Opened
  readonly finish: (entry: file_entry, program: Program, fd: number) => void
  readonly start: (entry: file_entry, starting: Starting, fd: number) => void
  readonly object: (entry: file_entry) => string
  readonly named: boolean
  /** @throws CheckpointError E_IMAGE_CORRUPT there is no body of this type */
  readonly facts: (entry: file_entry, files: ReadonlyMap<number, file_entry>) => FileFacts
}

/** Makes a row; `body` fixes the entry's type. */
export function fileKind<K extends BodyName>(kind: FileKind<K>): FileRow {
  const { type, body, matches, refuse, collect, restore, finish, start, object, facts, named } = kind
  const bodyOf = (entry: file_entry): Body<K> => {
    const found = entry[body]
    if (found) return found
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      `Cannot restore file ${entry.id} of files.img`,
      `it is of type ${type} but has no "${body}"`,
      "Dump the program again: this image was damaged or changed",
    )
  }
  return {
    type,
    matches,
    named: named ?? false,
    refuse: refuse ?? (() => undefined),
    collect: (file, collecting) => ({ type, id: file.id, [body]: collect(file, collecting) }),
    restore: (entry, restoring) => restore(bodyOf(entry), restoring),
    finish: (entry, program, fd) => finish?.(bodyOf(entry), program, fd),
    start: (entry, starting, fd) => start?.(bodyOf(entry), starting, fd),
    object: (entry) => object?.(bodyOf(entry)) ?? `file ${entry.id}`,
    // Without `facts` in the row the body has them.
    facts: (entry, files) => facts?.(bodyOf(entry), files) ?? (bodyOf(entry) as Body<K> & FileFacts),
  }
}
