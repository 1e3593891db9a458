import {
  AT,
  FUSE_SUPER_MAGIC,
  HUGETLBFS_MAGIC,
  PROC_SUPER_MAGIC,
  S_IF,
  ST_NOEXEC,
  STATX_BASIC_STATS,
  STATX_MNT_ID,
  SYSFS_MAGIC,
  statfsStruct,
  statx,
  statxDetails,
} from "../../../ffi/abi/file.ts"
import { decode } from "../../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../../ffi/syscall.ts"
import { folderOf, layPath } from "./path.ts"

const memory = allocate(4096)
const EMPTY = 2048 // stays zero: the empty path

/** What the file system says of a file. */
export interface FileStat {
  /** Kind and permissions. */
  readonly mode: number
  /** STATX_ATTR_*, the low half. */
  readonly attributes: number
  /** Bytes. */
  readonly size: bigint
  readonly ino: bigint
  /** Device of the file system in the kernel's form, major<<20 | minor. */
  readonly dev: number
  /** Device that a device node stands for. */
  readonly rdevMajor: number
  readonly rdevMinor: number
  /** Names that lead to it; 0 = deleted. */
  readonly nlink: number
  readonly uid: number
  readonly gid: number
}

/** What tells a file in a file system from all others. */
export const inodeKey = ({ dev, ino }: Pick<FileStat, "dev" | "ino">): string => `${dev}:${ino}`

/** A device number in userspace's form, 32 bits. Kernel: include/linux/kdev_t.h new_encode_dev() */
export const userDevice = (major: number, minor: number): number => ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0

/** The two halves of a device number in the kernel's form, in userspace's. */
export const userDeviceOf = (dev: number): number => userDevice(dev >>> 20, dev & 0xfffff)

const { view } = memory
const { stx_mode, stx_attributes, stx_size, stx_ino, stx_nlink, stx_uid, stx_gid, ...devices } = statx.fields
const [devMajor] = devices.stx_dev_major
const [devMinor] = devices.stx_dev_minor

/**
 * What a struct statx says. Not by `decode`: every open file is asked, several times.
 *
 * @param at its offset, bytes
 */
export const statIn = (bytes: DataView, at: number): FileStat => ({
  mode: bytes.getUint16(at + stx_mode[0], true),
  attributes: bytes.getUint32(at + stx_attributes[0], true),
  size: bytes.getBigUint64(at + stx_size[0], true),
  ino: bytes.getBigUint64(at + stx_ino[0], true),
  dev: ((bytes.getUint32(at + devMajor, true) << 20) | bytes.getUint32(at + devMinor, true)) >>> 0,
  rdevMajor: bytes.getUint32(at + devices.stx_rdev_major[0], true),
  rdevMinor: bytes.getUint32(at + devices.stx_rdev_minor[0], true),
  nlink: bytes.getUint32(at + stx_nlink[0], true),
  uid: bytes.getUint32(at + stx_uid[0], true),
  gid: bytes.getUint32(at + stx_gid[0], true),
})
const read = (): FileStat => statIn(view, 0)

/**
 * The file at a path; null when there is none or its folder is gone.
 *
 * @param follow false: a symbolic link is looked at itself, for names the kernel told, which are final. True for links in /proc.
 * @throws SyscallError anything but ENOENT, ENOTDIR, ESRCH
 */
export const statPath = (path: string, follow: boolean): FileStat | null =>
  ask(path, follow ? 0 : AT.SYMLINK_NOFOLLOW, STATX_BASIC_STATS) ? read() : null

/**
 * As `statPath` with links followed, what the kernel knows of the file: its server (FUSE, NFS) is not asked, which may never answer. Enough
 * for what never changes. Man page: statx(2), AT_STATX_DONT_SYNC
 */
export const knownStat = (path: string): FileStat | null => (ask(path, AT.STATX_DONT_SYNC, STATX_BASIC_STATS) ? read() : null)

const W_OK = 2

/** Why nobody may write to a file, or into a folder; "" when somebody may. Man page: access(2) */
function writeError(path: string): string {
  const answer = attempt("faccessat", AT.FDCWD, layPath(path), W_OK)
  return answer < 0 ? errnoName(-answer) : ""
}

/** True for a file or a folder that nobody may write to because its file system, or its mount, is read-only. */
export const isReadOnly = (path: string): boolean => writeError(path) === "EROFS"

const OBSTACLES = new Map([
  ["EROFS", "is on a read-only mount now"],
  ["ENOTDIR", "is no directory now"],
  ["ELOOP", "leads in a circle now"],
])

/** Why no file can be made at an absolute path, whose folder is made if it has gone: folder and phrase. */
export function obstacleAt(path: string): readonly [folder: string, what: string] | undefined {
  for (let folder = folderOf(path); ; folder = folderOf(folder)) {
    const error = writeError(`${folder}/.`)
    if (error === "ENOENT" && folder !== "/") continue
    const what = OBSTACLES.get(error)
    return what === undefined ? undefined : [folder, what]
  }
}

/** Asks for a file. @returns false when there is none */
function ask(path: string, flags: number, mask: number): boolean {
  const answer = attempt("statx", AT.FDCWD, layPath(path), flags, mask, memory.address)
  if (answer >= 0) return true
  const errno = errnoName(-answer)
  if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ESRCH") return false
  throw new SyscallError("statx", errno, [], ` for "${path}"`)
}

/** What else is to be known of a file that its name does not lead to. */
interface FileDetails {
  /** Bytes that the file system has given it. */
  readonly room: number
  /** Mount that the path leads through; undefined before Linux 5.8. */
  readonly mount: bigint | undefined
  readonly accessed: FileTime
  readonly modified: FileTime
  readonly changed: FileTime
}

/** Since 1970. */
export interface FileTime {
  readonly seconds: bigint
  readonly nanoseconds: number
}

/** As `statPath`, with symbolic links followed. */
export function detailsOf(path: string): FileDetails | null {
  if (!ask(path, 0, STATX_BASIC_STATS | STATX_MNT_ID)) return null
  const { stx_mask, stx_blocks, stx_mnt_id, atime_sec, atime_nsec, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec } = decode(
    statxDetails,
    memory.bytes,
  )
  return {
    room: Number(stx_blocks) * 512,
    mount: stx_mask & STATX_MNT_ID ? stx_mnt_id : undefined,
    accessed: { seconds: atime_sec, nanoseconds: atime_nsec },
    modified: { seconds: mtime_sec, nanoseconds: mtime_nsec },
    changed: { seconds: ctime_sec, nanoseconds: ctime_nsec },
  }
}

/** What names the file system of a path; undefined for a file that is gone. Man page: statfs(2) */
const magicOf = (path: string): number | undefined =>
  attempt("statfs", layPath(path), memory.address) >= 0 ? view.getUint32(0, true) : undefined

/** True for a file, or a folder, on a mount that nothing may be executed from; false for one that is gone. */
export const isNoExec = (path: string): boolean =>
  attempt("statfs", layPath(path), memory.address) >= 0 && (decode(statfsStruct, memory.bytes).f_flags & ST_NOEXEC) !== 0n

/** True for a file of hugetlbfs, which nobody can write(2) to; false for one that is gone. */
export const isOfHugePages = (path: string): boolean => magicOf(path) === HUGETLBFS_MAGIC

/** True for a file of a FUSE server; false for one that is gone. */
export const isOfFuse = (path: string): boolean => magicOf(path) === FUSE_SUPER_MAGIC

const KERNELS: ReadonlySet<number> = new Set([PROC_SUPER_MAGIC, SYSFS_MAGIC])
/** Whether a path leads to a file of /proc or /sys, which the kernel alone makes and takes away. */
export const isOfKernel = (path: string): boolean => KERNELS.has(magicOf(path) ?? 0)

/** The file behind one of our descriptors. @throws SyscallError */
export function statDescriptor(fd: number): FileStat {
  const answer = attempt("statx", fd, memory.address + EMPTY, AT.EMPTY_PATH, STATX_BASIC_STATS, memory.address)
  if (answer < 0) throw new SyscallError("statx", errnoName(-answer), [fd])
  return read()
}

/** True when both are the same file. */
export const sameFile = (a: FileStat, b: FileStat): boolean => a.ino === b.ino && a.dev === b.dev

const KIND_NAMES: Readonly<Record<number, string>> = {
  [S_IF.SOCK]: "a socket",
  [S_IF.LNK]: "a symbolic link",
  [S_IF.REG]: "a regular file",
  [S_IF.BLK]: "a block device",
  [S_IF.DIR]: "a directory",
  [S_IF.CHR]: "a character device",
  [S_IF.IFO]: "a FIFO",
}
/** Kind of a file for messages: "a directory". */
export const kindName = (mode: number): string => KIND_NAMES[mode & S_IF.MT] ?? "no file"
/** Kind bits of a mode. */
export const kindOf = (mode: number): number => mode & S_IF.MT
