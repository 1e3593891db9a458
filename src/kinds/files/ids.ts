import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { WayBack } from "./keeping.ts"
import type { FileStat } from "./stat.ts"

/** A packet socket whose rings may be mapped. */
export interface PacketRings {
  readonly id: number
  /** Bytes of its rings. */
  readonly bytes: number
}

/** Gives ids to files, and keeps the entries of what no descriptor leads to. */
export interface FileIds {
  nextId(): number
  add(entry: file_entry): void
  /** Of a file that is known by its path. */
  path(name: string, stat: FileStat, access: number): number
  /** Keeps what its name does not lead to. @param link in /proc that does @returns the name that it is kept by */
  noteWayBack(id: number, wayBack: WayBack, link: string, stat: FileStat): string
  /** Of the memory behind an open memfd. @param shown what its link says, without " (deleted)" */
  memfd(pid: number, fd: number, shown: string, stat: FileStat): number
  /** Notes a packet socket, for its mappings. @param inode of the socket */
  notePacketRings(inode: bigint, ring: PacketRings): void
}

/** Entries of files.img by id. /dev/net/tun has two of one id, one of them with its path: they become one. */
export function filesById(entries: readonly file_entry[]): Map<number, file_entry> {
  const files = new Map<number, file_entry>()
  for (const entry of entries) {
    const twin = files.get(entry.id)
    const reg = entry.tunf ? twin?.reg : entry.reg
    const tunf = entry.tunf ?? twin?.tunf
    files.set(entry.id, tunf && reg ? { ...entry, type: fd_types.TUNF, tunf, reg } : entry)
  }
  return files
}
