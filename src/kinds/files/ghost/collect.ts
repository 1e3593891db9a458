import { AT, O, S_IF, SEEK } from "../../../../ffi/abi/file.ts"
import { copyBytes } from "../../../../ffi/copy.ts"
import { closeSync } from "../../../../ffi/fs.ts"
import { allocate, attempt, errnoName, SyscallError, syscall } from "../../../../ffi/syscall.ts"
import type { ghost_chunk_entry, ghost_file_entry } from "../../../../proto/gen/ghost-file_pb.ts"
import { type remap_file_path_entry, remap_type } from "../../../../proto/gen/remap-file-path_pb.ts"
import { textOf } from "../../../../proto/text.ts"
import { logger } from "../../../base/log.ts"
import { readFully } from "../../../base/read-fully.ts"
import { checkInterrupt } from "../../../tracee/wait.ts"
import { layPath } from "../path.ts"
import { detailsOf, type FileStat, type FileTime, kindOf, userDevice } from "../stat.ts"
import { findSystems, type Systems } from "../system.ts"

const log = logger("ghost")

/** Content that is copied while its owners stand still: bytes, and what copies them to a place in a file. */
interface Copy {
  readonly length: number
  copyTo(fd: number, at: number): void
}

/** An entry of a ghost image and the bytes behind it. */
export interface GhostPart {
  readonly message: ghost_file_entry | ghost_chunk_entry
  readonly payload: Uint8Array | Copy
}

/** Whether a deleted file has been read: its image may be written at any time. */
export const isInMemory = (parts: readonly GhostPart[]): parts is readonly (GhostPart & { readonly payload: Uint8Array })[] =>
  parts.every(({ payload }) => payload instanceof Uint8Array)

/** From so many bytes on a file is stored in pieces, without its holes. Authority: REFERENCE 5.3 */
const IN_PIECES = 12288
/** Bytes of all deleted files that pass through memory: they are read while the tree stands still, and written when it may go on. */
const IN_MEMORY = 64 << 20

/**
 * The files of one dump that need more than their name. Deleted ones are stored once, however many descriptors, mappings and processes lead
 * to them.
 */
export class GhostTable {
  /** Entries of remap-fpath.img: deleted files, those that get another name, and those about processes that have ended. */
  readonly remaps: remap_file_path_entry[] = []
  /** By number, from 1. */
  readonly files = new Map<number, readonly GhostPart[]>()
  private readonly numbers = new Map<string, number>()
  private readonly systems = findSystems()
  /** Bytes that may still be read into memory. */
  private room = IN_MEMORY

  /** @param isRead false where processes run: then no content is read, and nothing is told of what is lost */
  constructor(private readonly isRead = true) {}

  /**
   * Notes that file `id` of files.img is a deleted file, and when it is new reads it, or notes what will copy it where it is large.
   *
   * @param link in /proc that leads to it; nothing about it is changed, its time of access included
   * @throws SyscallError, FileError
   * Precondition: its way back is "ghost", see `wayBackTo`; who could write to it is stopped.
   */
  add(id: number, link: string, stat: FileStat): void {
    const key = `${stat.dev}:${stat.ino}`
    let number = this.numbers.get(key)
    if (number === undefined) {
      number = this.numbers.size + 1
      this.numbers.set(key, number)
      const read = Number(stat.size) <= this.room
      if (read) this.room -= Number(stat.size)
      this.files.set(number, this.isRead ? collectGhost(link, stat, this.systems, read) : [])
      const lost = this.isRead ? attributesOf(link) : []
      if (lost.length > 0) log.warn(`the deleted file that ${link} leads to loses its extended attributes: ${lost.join(", ")}`)
    }
    this.remaps.push({ orig_id: id, remap_id: number, remap_type: remap_type.GHOST })
  }

  /** Notes that file `id` is in /proc of a process that has ended. As with CRIU, one of them stands for all of that process. */
  addDeparted(id: number, pid: number): void {
    const isNoted = this.remaps.some(({ remap_id, remap_type: kind }) => kind === remap_type.PROCFS && remap_id === pid)
    if (!isNoted) this.remaps.push({ orig_id: id, remap_id: pid, remap_type: remap_type.PROCFS })
  }
}

/** Names of extended attributes that a file made again will not have. Man page: listxattr(2) */
function attributesOf(link: string): string[] {
  const length = attempt("listxattr", layPath(link), room.address, EMPTY)
  if (length <= 0) return []
  const names = textOf(room.bytes.slice(0, length)).split("\0")
  return names.filter((name) => name !== "" && name !== "security.selinux")
}

/** Microseconds: the format has no finer ones. */
const timeval = ({ seconds, nanoseconds }: FileTime) => ({
  tv_sec: BigInt.asUintN(64, seconds),
  tv_usec: BigInt(Math.floor(nanoseconds / 1000)),
})

/** A deleted file -> the entries of its image. @param readNow and not copied later. Mirror: ./saved.ts, ./make.ts */
function collectGhost(link: string, stat: FileStat, systems: Systems, readNow: boolean): GhostPart[] {
  const { mode, uid, gid, ino, rdevMajor, rdevMinor } = stat
  const details = detailsOf(link)
  if (!details) throw new SyscallError("statx", "ENOENT", [], ` for "${link}"`)
  const size = Number(stat.size)
  const kind = kindOf(mode)
  const times = { atim: timeval(details.accessed), mtim: timeval(details.modified) }
  const head: ghost_file_entry = { uid, gid, mode, dev: systems.deviceOf(link) ?? stat.dev, ino, ...times }
  if (kind === S_IF.CHR) return [{ message: { ...head, rdev: userDevice(rdevMajor, rdevMinor) }, payload: new Uint8Array(0) }]
  if (kind === S_IF.LNK) return [{ message: { ...head, symlnk_target: readLink(link) }, payload: new Uint8Array(0) }]
  if (kind !== S_IF.REG) return [{ message: head, payload: new Uint8Array(0) }]
  const fd = openToRead(link)
  try {
    if (size < IN_PIECES) return [{ message: head, payload: readPart(fd, 0, size) }]
    const take = readNow
      ? (off: number, length: number) => readPart(fd, off, length)
      : (off: number, length: number) => part(link, off, length)
    const pieces = [...dataOf(fd, size)].map(([off, end]) => ({
      message: { len: BigInt(end - off), off: BigInt(off) },
      payload: take(off, end - off),
    }))
    return [{ message: { ...head, chunks: true, size: stat.size }, payload: new Uint8Array(0) }, ...pieces]
  } finally {
    closeSync(fd)
  }
}

const room = allocate(8192)
const EMPTY = 4096 // stays zero: the empty path

/** What a symbolic link without a name says. */
function readLink(link: string): string {
  const fd = syscall("openat", AT.FDCWD, layPath(link), O.PATH | O.CLOEXEC, 0)
  try {
    return textOf(room.bytes.slice(0, syscall("readlinkat", fd, room.address + EMPTY, room.address, EMPTY)))
  } finally {
    closeSync(fd)
  }
}

/** An open file of our own: the offset of the program's stays. Only owners may leave the time of access alone. */
function openToRead(link: string): number {
  const flags = O.RDONLY | O.NONBLOCK | O.CLOEXEC
  const fd = attempt("openat", AT.FDCWD, layPath(link), flags | O.NOATIME, 0)
  return fd >= 0 ? fd : syscall("openat", AT.FDCWD, layPath(link), flags, 0)
}

/** Stretches of data, ends excluded, bytes. All of it where the file system does not tell holes. */
function* dataOf(fd: number, size: number): Generator<[start: number, end: number]> {
  for (let at = 0; at < size; ) {
    const start = attempt("lseek", fd, at, SEEK.DATA)
    if (start < 0) {
      if (errnoName(-start) !== "ENXIO") yield [at, size]
      return
    }
    const end = Math.min(attempt("lseek", fd, start, SEEK.HOLE), size)
    if (start >= size || end <= start) return
    yield [start, end]
    at = end
  }
}

/** Bytes that are copied before the tool looks whether it is asked to stop. */
const AT_ONCE = 64 << 20

/** A stretch of a file that is copied later: it is opened again then. */
const part = (link: string, offset: number, length: number): Copy => ({
  length,
  copyTo(to, at) {
    const fd = openToRead(link)
    try {
      for (let done = 0; done < length; done += AT_ONCE) {
        checkInterrupt("the copying of a deleted file")
        copyBytes(fd, offset + done, to, at + done, Math.min(AT_ONCE, length - done))
      }
    } finally {
      closeSync(fd)
    }
  },
})

/** A stretch of a file as it is now. What is past the end by now reads as zeros. */
function readPart(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  readFully(fd, bytes, offset)
  return bytes
}
