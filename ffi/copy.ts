import { readSync, writeAll } from "./fs.ts"
import { allocate, attempt, errnoName, SyscallError } from "./syscall.ts"

/** What tells that the kernel copies nothing between these two: other file systems (before 5.19), a file system or a kernel without it. */
const NOT_HERE = ["EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM"]
/** Bytes that pass through memory at once where the kernel does not copy. */
const PIECE = 1 << 20

const places = allocate(16)
let piece: Uint8Array | undefined

/**
 * Copies bytes of one open file into another: inside the kernel where it can, which may share them on the disk; else through memory.
 *
 * @param fromAt, toAt offsets in bytes
 * @returns bytes copied: fewer than `length` where the first file ends
 * @throws SyscallError, FileError ENOSPC, EIO ...
 * Man page: copy_file_range(2)
 */
export function copyBytes(from: number, fromAt: number, to: number, toAt: number, length: number): number {
  let done = 0
  while (done < length) {
    places.view.setBigUint64(0, BigInt(fromAt + done), true)
    places.view.setBigUint64(8, BigInt(toAt + done), true)
    const moved = attempt("copy_file_range", from, places.address, to, places.address + 8, length - done, 0)
    if (moved > 0) done += moved
    // Some file systems answer 0 although there is more.
    else if (moved === 0 || NOT_HERE.includes(errnoName(-moved)))
      return done + copyThroughMemory(from, fromAt + done, to, toAt + done, length - done)
    else if (errnoName(-moved) !== "EINTR") throw new SyscallError("copy_file_range", errnoName(-moved), [from, to, length - done])
  }
  return done
}

function copyThroughMemory(from: number, fromAt: number, to: number, toAt: number, length: number): number {
  piece ??= new Uint8Array(PIECE)
  let done = 0
  while (done < length) {
    const got = readSync(from, piece, 0, Math.min(PIECE, length - done), fromAt + done)
    if (got === 0) break
    writeAll(to, piece.subarray(0, got), toAt + done)
    done += got
  }
  return done
}
