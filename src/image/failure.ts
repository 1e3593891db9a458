import { basename, dirname } from "node:path"
import { errnoOf } from "../base/errno.ts"
import { CheckpointError, type ErrorCode } from "../base/errors.ts"

/** What an image is not: tells the file, the place and what is there. */
export function corrupt(path: string, found: string, cause?: unknown): CheckpointError {
  const next = `Fetch the images again from where they were made, or dump again: ${dirname(path)} cannot be restored as it is`
  return new CheckpointError("E_IMAGE_CORRUPT", `Cannot read image ${basename(path)}`, found, next, cause)
}

/** An image that should be there and is not. */
export function missing(path: string, cause?: unknown): CheckpointError {
  const next = `Check that ${dirname(path)} is the whole directory of a finished dump`
  return new CheckpointError("E_IMAGE_MISSING", `Cannot read image ${basename(path)}`, "there is no such file", next, cause)
}

const FULL = ["E_DISK_FULL", "the disk is full", "Free space there or name another directory with -D, then try again"] as const
const DENIED = ["E_DIRECTORY", "this user may not write there", "Run as the owner of the directory, or name another with -D"] as const
const REMEDY: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  ENOSPC: FULL,
  EDQUOT: ["E_DISK_FULL", "the disk quota of this user is used up", FULL[2]],
  EFBIG: [
    "E_DISK_FULL",
    "the file would exceed RLIMIT_FSIZE or the limit of its file system",
    "Raise ulimit -f, or name another directory with -D",
  ],
  EACCES: DENIED,
  EPERM: DENIED,
  EROFS: ["E_DIRECTORY", "its file system is read-only", "Name a writable directory with -D"],
  ENOENT: ["E_DIRECTORY", "there is no such directory", "Create it, or name another with -D"],
  ENOTDIR: ["E_DIRECTORY", "a part of the path is not a directory", "Name a directory with -D"],
  EISDIR: ["E_DIRECTORY", "a directory has the name of an image", "Move that directory away, or name another with -D"],
  ENAMETOOLONG: ["E_DIRECTORY", "the path or a part of it is too long", "Name a directory with -D"],
  ELOOP: ["E_DIRECTORY", "the path leads through a loop of links", "Name a directory with -D"],
  EEXIST: ["E_DIRECTORY", "something that is no directory has its name, such as a link that leads nowhere", "Name a directory with -D"],
  EMFILE: ["E_IO", "this process may not have more files open (RLIMIT_NOFILE)", "Raise ulimit -n, then try again"],
  ENFILE: ["E_IO", "no more files may be open on this machine", "Raise /proc/sys/fs/file-max, then try again"],
  ENOTEMPTY: ["E_DIRECTORY", "a directory has the name of an image", "Move that directory away, or name another with -D"],
}

/**
 * Tells people why a file could not be written or read. What is no answer of the kernel (an error that is already for people, a defect of
 * ours) stays as it is.
 *
 * @param option that names another directory
 */
export function ioFailure(action: string, error: unknown, option = "-D"): Error {
  const errno = errnoOf(error)
  if (error instanceof Error && (errno === undefined || error instanceof CheckpointError)) return error
  const [code, found, next] = REMEDY[errno ?? ""] ?? [
    "E_IO",
    errno ?? String(error),
    "See the kernel log for errors of the disk, or name another directory with -D",
  ]
  return new CheckpointError(code, action, found, next.replace("-D", option), error)
}

/** The same of an image that could not be read. */
export function readFailure(action: string, error: unknown): Error {
  const errno = errnoOf(error)
  if (errno !== "EACCES" && errno !== "EPERM") return ioFailure(action, error)
  return new CheckpointError("E_DIRECTORY", action, "this user may not read it", "Run as the owner of the images", error)
}
