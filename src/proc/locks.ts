import type { FdInfo } from "./fdinfo.ts"
import { words } from "./text.ts"

/** A lock held through an open file, from a "lock:" line. */
export interface FileLock {
  /** FLOCK by flock(2), POSIX by fcntl, OFDLCK of the open file description, LEASE and DELEG by F_SETLEASE. */
  readonly kind: string
  /** ADVISORY or *NOINODE*; of a lease ACTIVE, BREAKING or BREAKER; MANDATORY before Linux 5.15. */
  readonly mode: string
  /** READ, WRITE, RW or UNLCK. */
  readonly access: string
  /** Owner in the reader's PID namespace; -1 = an open file description. */
  readonly pid: number
  readonly devMajor: number
  readonly devMinor: number
  readonly inode: bigint
  /** First byte, and the last one inside; null = to the end of the file, however it grows. */
  readonly start: bigint
  readonly end: bigint | null
}

/** "lock:" lines, in the kernel's order. Kernel: fs/locks.c lock_get_status() */
export function fileLocks({ lines }: Pick<FdInfo, "lines">): FileLock[] {
  return lines.filter((line) => line.startsWith("lock:")).map(lock)
}

function lock(line: string): FileLock {
  const [, , kind = "", mode = "", access = "", pid = "0", file = "", start = "0", end = "EOF"] = words(line)
  // A lock whose inode is gone is printed with "<none>:0" for the file.
  const [major = "0", minor = "0", inode = "0"] = file.startsWith("<") ? [] : file.split(":")
  return {
    kind,
    mode,
    access,
    pid: Number(pid),
    devMajor: Number.parseInt(major, 16),
    devMinor: Number.parseInt(minor, 16),
    inode: BigInt(inode),
    start: BigInt(start),
    end: end === "EOF" ? null : BigInt(end),
  }
}
