import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_data_entry, tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import type { PipeData } from "./kind.ts"
import type { Stream } from "./socket/inet/stream.ts"

/** What images say about the open files of one process. */
export interface FileImages {
  /** fdinfo-N.img */
  readonly fdinfos: readonly fdinfo_entry[]
  /** files.img, by id. */
  readonly files: ReadonlyMap<number, file_entry>
  readonly pipesData: readonly PipeData[]
  readonly ttyInfos: readonly tty_info_entry[]
  readonly ttyData: readonly tty_data_entry[]
  readonly extension: readonly stasis_file_entry[]
  /** tcp-stream-N.img, by inode number of the socket. */
  readonly tcpStreams: ReadonlyMap<number, Stream>
}

/** Descriptors of each file, ascending, the files in the order of their lowest numbers. */
export function usersOf(fdinfos: readonly fdinfo_entry[]): Map<number, fdinfo_entry[]> {
  const ascending = [...fdinfos].sort((a, b) => a.fd - b.fd)
  return Map.groupBy(ascending, ({ id }) => id)
}
