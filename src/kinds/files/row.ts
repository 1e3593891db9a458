import type { fd_types, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import { damagedImage } from "../../base/errors.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "./collecting.ts"
import type { Linked, Opened, Restoring, Starting } from "./restoring.ts"

/** Members of file_entry that have a row. */
type BodyName =
  | "reg"
  | "pipe"
  | "efd"
  | "epfd"
  | "tty"
  | "tfd"
  | "sgfd"
  | "fifo"
  | "memfd"
  | "usk"
  | "isk"
  | "ify"
  | "ffy"
  | "pidfd"
  | "nlsk"
  | "nsf"
  | "tunf"
  | "psk"
  | "bpf"
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
  readonly finish?: (entry: Body<K>, restoring: Restoring, fd: number) => void
  /**
   * Appends what makes the file go on by itself: among the last calls of a process that has it open, which has no privileges left then.
   *
   * @param fd number of the file there
   */
  readonly start?: (entry: Body<K>, starting: Starting, fd: number) => void
  /** Objects with several open files, such as pipes: those with equal keys are made by one program. */
  readonly object?: (entry: Body<K>) => string
  /** Files, by id, that the program which makes this one must have too: they are made by the same. */
  readonly links?: (entry: Body<K>, images: Linked) => readonly number[]
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
  readonly finish: (entry: file_entry, restoring: Restoring, fd: number) => void
  readonly start: (entry: file_entry, starting: Starting, fd: number) => void
  readonly object: (entry: file_entry) => string
  readonly links: (entry: file_entry, images: Linked) => readonly number[]
  readonly named: boolean
  /** @throws CheckpointError E_IMAGE_CORRUPT there is no body of this type */
  readonly facts: (entry: file_entry, files: ReadonlyMap<number, file_entry>) => FileFacts
}

/** Makes a row; `body` fixes the entry's type. */
export function fileKind<K extends BodyName>(kind: FileKind<K>): FileRow {
  const { type, body, matches, refuse, collect, restore, finish, start, object, links, facts, named } = kind
  const bodyOf = (entry: file_entry): Body<K> => {
    const found = entry[body]
    if (found) return found
    throw damagedImage(`Cannot restore file ${entry.id} of files.img`, `it is of type ${type} but has no "${body}"`)
  }
  return {
    type,
    matches,
    named: named ?? false,
    refuse: refuse ?? (() => undefined),
    collect: (file, collecting) => ({ type, id: file.id, [body]: collect(file, collecting) }),
    restore: (entry, restoring) => restore(bodyOf(entry), restoring),
    finish: (entry, restoring, fd) => finish?.(bodyOf(entry), restoring, fd),
    start: (entry, starting, fd) => start?.(bodyOf(entry), starting, fd),
    object: (entry) => object?.(bodyOf(entry)) ?? `file ${entry.id}`,
    links: (entry, images) => links?.(bodyOf(entry), images) ?? [],
    facts: (entry, files) => facts?.(bodyOf(entry), files) ?? (bodyOf(entry) as Body<K> & FileFacts),
  }
}
