import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { ghost_chunk_entry, ghost_file_entry } from "../../../proto/gen/ghost-file_pb.ts"
import type { reg_file_entry } from "../../../proto/gen/regfile_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_data_entry, tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { damagedImage } from "../../base/errors.ts"
import type { BpfMapData, PipeData, SocketData } from "./payloads.ts"
import type { Stream } from "./socket/inet/stream.ts"

/** ghost-file-N.img: its entries, none when there is no such image, and where in it the bytes behind each stand. */
export interface GhostImage {
  readonly path: string
  readonly entries: readonly { readonly message: ghost_file_entry | ghost_chunk_entry; readonly at: number; readonly length: number }[]
}

/** A deleted file: ghost-file-N.img. Or one that has another name. */
export interface Ghost {
  /** Different for each. */
  readonly number: number
  /** The other name: the file is not made, but linked. */
  readonly source?: string
  readonly entry: ghost_file_entry
  /** Bytes, of a regular file. */
  readonly size: bigint
  /** Its image; "" of one that has another name. */
  readonly image: string
  /** Content between its holes: where it goes, and where it stands in the image. Bytes. */
  readonly pieces: readonly { readonly offset: bigint; readonly at: number; readonly length: number }[]
}

/** What images say about the open files of one process. */
export interface FileImages {
  /** fdinfo-N.img */
  readonly fdinfos: readonly fdinfo_entry[]
  /** files.img, by id. */
  readonly files: ReadonlyMap<number, file_entry>
  /** pipes-data.img, one a pipe that can be read. */
  readonly pipesData: readonly PipeData[]
  /** sk-queues.img, in its order. */
  readonly skQueues: readonly SocketData[]
  /** fifo-data.img */
  readonly fifoData: readonly PipeData[]
  /** bpfmap-data.img */
  readonly bpfMapsData: readonly BpfMapData[]
  /** tty-info.img */
  readonly ttyInfos: readonly tty_info_entry[]
  /** tty-data.img: what is queued in terminals. */
  readonly ttyData: readonly tty_data_entry[]
  readonly extension: readonly stasis_file_entry[]
  /** Deleted files, by the ids of files.img that lead to them: several may lead to one. */
  readonly ghosts: ReadonlyMap<number, Ghost>
  /** Files in /proc of processes that had ended: their PIDs, by the ids of files.img. */
  readonly departed: ReadonlyMap<number, number>
  /** tcp-stream-N.img, by inode number of the socket. */
  readonly tcpStreams: ReadonlyMap<number, Stream>
}

/** Descriptors of each file, ascending, the files in the order of their lowest numbers. */
export function usersOf(fdinfos: readonly fdinfo_entry[]): Map<number, fdinfo_entry[]> {
  const ascending = [...fdinfos].sort((a, b) => a.fd - b.fd)
  return Map.groupBy(ascending, ({ id }) => id)
}

/** Queues of sockets, by the file id of the receiver. */
export const queuesOf = (skQueues: readonly SocketData[]): Map<number, SocketData[]> =>
  Map.groupBy(skQueues, ({ message }) => message.id_for)

/** The entry with the path of a file whose own entry has none. @throws CheckpointError E_IMAGE_CORRUPT there is none */
export function pathEntry(id: number, pathId: number, what: string, files: FileImages["files"]): reg_file_entry {
  const reg = files.get(pathId)?.reg
  if (reg) return reg
  throw damagedImage(`Cannot restore file ${id} of files.img`, `the path of this ${what} is missing`)
}

/** Every descriptor number that a process is to have: for good, or for a moment while an epoll is told what it watches. */
export const wantedNumbers = ({ fdinfos, extension }: Pick<FileImages, "fdinfos" | "extension">): number[] => [
  ...fdinfos.map(({ fd }) => fd),
  ...extension.flatMap(({ epoll }) => epoll?.added ?? []),
]
