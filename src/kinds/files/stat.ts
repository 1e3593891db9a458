import { AT, S_IF, STATX_BASIC_STATS, statx } from "../../../ffi/abi/file.ts"
import { decode } from "../../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../../ffi/syscall.ts"
import { bytesOf } from "../../../proto/text.ts"

const memory = allocate(4096)
const EMPTY = 2048 // stays zero: the empty path
const PATH_MAX = 4096
const pathRoom = allocate(PATH_MAX)

/** Lays a path, whatever bytes it has, before the kernel. @throws SyscallError ENAMETOOLONG */
function pathBytes(path: string): number {
  const bytes = bytesOf(path)
  if (bytes.length >= PATH_MAX) throw new SyscallError("statx", "ENAMETOOLONG", [], ` for "${path}"`)
  pathRoom.bytes.set(bytes)
  pathRoom.bytes[bytes.length] = 0
  return pathRoom.address
}

/** What the file system says of a file. */
export interface FileStat {
  /** Kind and permissions. */
  readonly mode: number
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

/** A device number in userspace's form, 32 bits. Kernel: include/linux/kdev_t.h new_encode_dev() */
export const userDevice = (major: number, minor: number): number => ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0

/** The two halves of a device number in the kernel's form, in userspace's. */
export const userDeviceOf = (dev: number): number => userDevice(dev >>> 20, dev & 0xfffff)

const read = (): FileStat => {
  const { stx_mode, stx_size, stx_ino, stx_nlink, stx_uid, stx_gid, ...device } = decode(statx, memory.bytes)
  return {
    mode: stx_mode,
    size: stx_size,
    ino: stx_ino,
    dev: ((device.stx_dev_major << 20) | device.stx_dev_minor) >>> 0,
    rdevMajor: device.stx_rdev_major,
    rdevMinor: device.stx_rdev_minor,
    nlink: stx_nlink,
    uid: stx_uid,
    gid: stx_gid,
  }
}

/**
 * The file at a path; null when there is none or its folder is gone.
 *
 * @param follow false: a symbolic link is looked at itself, for names the kernel told, which are final. True for links in /proc.
 * @throws SyscallError anything but ENOENT, ENOTDIR, ESRCH
 */
export function statPath(path: string, follow: boolean): FileStat | null {
  const flags = follow ? 0 : AT.SYMLINK_NOFOLLOW
  const answer = attempt("statx", AT.FDCWD, pathBytes(path), flags, STATX_BASIC_STATS, memory.address)
  if (answer >= 0) return read()
  const errno = errnoName(-answer)
  if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "ESRCH") return null
  throw new SyscallError("statx", errno, [], ` for "${path}"`)
}

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
