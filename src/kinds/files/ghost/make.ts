import { AT, O, S_IF } from "../../../../ffi/abi/file.ts"
import { copyBytes } from "../../../../ffi/copy.ts"
import { closeSync, FileError, ftruncateSync, openSync } from "../../../../ffi/fs.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError, syscall } from "../../../../ffi/syscall.ts"
import type { timeval } from "../../../../proto/gen/time_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { type GuardCall, standGuard } from "../../../tracee/guard.ts"
import type { Ghost } from "../images.ts"
import { isOfFuseOverlay } from "../overlay.ts"
import { folderOf, layPath, pathBytes } from "../path.ts"
import { isOfFuse, kindOf } from "../stat.ts"
import { type Making, planGhosts, type Wanted } from "./plan.ts"

const memory = allocate(4096)
const EMPTY = 2048 // stays zero: the empty path
const RENAME_NOREPLACE = 1
const PRIVATE = 0o600
const PASSABLE = 0o700

const removal = (path: string, flags: number): GuardCall => ({ call: "unlinkat", args: [AT.FDCWD, pathBytes(path), flags] })
const remove = (path: string, flags = 0): void => void syscall("unlinkat", AT.FDCWD, layPath(path), flags)

/**
 * Makes the deleted files of a set again, without names: each is made in the folder that it was in, and so are folders that are gone; then
 * all names are removed, before anything is written. A guard removes them if the tool is killed in between.
 *
 * @returns a descriptor (O_PATH, of FUSE to be read) of each by its number, close-on-exec, the caller's
 * @throws CheckpointError E_RESTORE, E_DISK_FULL: nothing is left then
 */
export function makeGhosts(wanted: readonly Wanted[]): Map<number, number> {
  using scope = new DisposableStack()
  const plan = planGhosts(wanted, process.pid)
  const made = new Map<number, number>()
  const keep = (number: number, fd: number): void => {
    scope.defer(() => closeSync(made.get(number) ?? fd))
    made.set(number, fd)
  }
  if (plan.makings.length === 0) return made
  const guard = standGuard(plan.names.map(([path, isFolder]) => removal(path, isFolder ? AT.REMOVEDIR : 0)))
  const folders = plan.folders.map((path) => ({ path, made: false }))
  try {
    for (const folder of folders) {
      naming(folder.path, () => syscall("mkdirat", AT.FDCWD, layPath(folder.path), PASSABLE))
      folder.made = true
    }
    for (const making of plan.makings)
      keep(
        making.ghost.number,
        naming(making.name, () => make(making)),
      )
    for (const folder of folders.toReversed()) naming(folder.path, () => remove(folder.path, AT.REMOVEDIR))
  } catch (error) {
    for (const { path, made: ours } of folders.toReversed()) if (ours) attempt("unlinkat", AT.FDCWD, layPath(path), AT.REMOVEDIR)
    throw error
  } finally {
    // What it would remove is gone by now: a name that is there belongs to somebody else.
    guard.dismiss()
  }
  for (const { ghost, name } of plan.makings.filter(({ ghost: { source } }) => source === undefined))
    naming(name, () => {
      const fd = made.get(ghost.number) ?? -1
      fill(ghost, fd)
      dress(ghost, fd)
      const held = hold(fd)
      made.set(ghost.number, held)
      if (held !== fd) closeSync(fd)
    })
  scope.move()
  return made
}

/**
 * Another descriptor of a file without a name, by which nobody writes: a program, or a lease, may want that. A FUSE server does not know of
 * one with O_PATH, and removes the file (libfuse: .fuse_hidden*) when the last that it knows of is closed.
 */
function hold(fd: number): number {
  const link = `/proc/self/fd/${fd}`
  if (!isOfFuse(link)) return syscall("openat", AT.FDCWD, layPath(link), O.PATH | O.CLOEXEC, 0)
  const known = attempt("openat", AT.FDCWD, layPath(link), O.RDONLY | O.CLOEXEC, 0)
  return isFailure(known) ? fd : known
}

function naming<T>(name: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof SyscallError || error instanceof FileError)) throw error
    const full = (error instanceof FileError ? error.code : error.errno) === "ENOSPC"
    throw new CheckpointError(
      full ? "E_DISK_FULL" : "E_RESTORE",
      `Cannot make the deleted file "${name}" again`,
      error.message,
      full ? "Make room on its file system" : "Make its folder writable, as it was when the program made the file",
      error,
    )
  }
}

/** Makes one file without a name that is left. @returns its descriptor; of a regular file for reading and writing */
function make({ ghost, name, aside, unnamed, isThere }: Making): number {
  const { entry, source } = ghost
  const kind = kindOf(entry.mode)
  if (isThere) return syscall("openat", AT.FDCWD, layPath(name), O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, 0)
  if (unnamed !== undefined) {
    const fd = attempt("openat", AT.FDCWD, layPath(unnamed), O.TMPFILE | O.DIRECTORY | O.RDWR | O.CLOEXEC, PRIVATE)
    // Some file systems have no files without names.
    if (!isFailure(fd)) return fd
    if (errnoName(-fd) !== "EOPNOTSUPP") throw new SyscallError("openat", errnoName(-fd), [], ` for "${unnamed}"`)
  }
  const flags = O.CREAT | O.EXCL | O.RDWR | O.CLOEXEC
  const fd =
    kind === S_IF.REG && source === undefined ? syscall("openat", AT.FDCWD, layPath(aside), flags, PRIVATE) : makeOther(ghost, aside)
  remove(isRenamed(aside, name) ? name : aside, kind === S_IF.DIR ? AT.REMOVEDIR : 0)
  return fd
}

/** What a file is called when its name is removed stays in its links in /proc: it gets its own name, where nobody has that. */
function isRenamed(aside: string, name: string): boolean {
  // fuse-overlayfs shows a deleted file of a lower layer again, when another one was renamed to its name and removed.
  if (isOfFuseOverlay(folderOf(name), process.pid)) return false
  return !isFailure(attempt("renameat2", AT.FDCWD, layPath(aside), AT.FDCWD, layPath(name, 1), RENAME_NOREPLACE))
}

function makeOther({ source, entry: { mode, rdev, symlnk_target } }: Ghost, path: string): number {
  const kind = kindOf(mode)
  if (source !== undefined) syscall("linkat", AT.FDCWD, layPath(source), AT.FDCWD, layPath(path, 1), 0)
  else if (kind === S_IF.DIR) syscall("mkdirat", AT.FDCWD, layPath(path), PASSABLE)
  else if (kind === S_IF.LNK) syscall("symlinkat", layPath(symlnk_target ?? "", 1), AT.FDCWD, layPath(path))
  else syscall("mknodat", AT.FDCWD, layPath(path), kind | PRIVATE, rdev ?? 0)
  return syscall("openat", AT.FDCWD, layPath(path), O.PATH | O.NOFOLLOW | O.CLOEXEC, 0)
}

function fill({ entry, size, image, pieces }: Ghost, fd: number): void {
  if (kindOf(entry.mode) !== S_IF.REG) return
  ftruncateSync(fd, Number(size))
  if (pieces.length === 0) return
  const from = openSync(image, "r")
  try {
    for (const { offset, at, length } of pieces)
      if (copyBytes(from, at, fd, Number(offset), length) < length) throw new FileError("EIO", "read", image)
  } finally {
    closeSync(from)
  }
}

/** Owner, mode and times, in this order: each call undoes what follows it here. */
function dress({ entry: { uid, gid, mode, atim, mtim } }: Ghost, fd: number): void {
  syscall("fchownat", fd, memory.address + EMPTY, uid, gid, AT.EMPTY_PATH)
  if (kindOf(mode) !== S_IF.LNK) syscall("fchmodat", AT.FDCWD, layPath(`/proc/self/fd/${fd}`), mode & 0o7777)
  if (!atim || !mtim) return
  for (const [index, { tv_sec, tv_usec }] of ([atim, mtim] satisfies timeval[]).entries()) {
    memory.view.setBigUint64(index * 16, tv_sec, true)
    memory.view.setBigUint64(index * 16 + 8, tv_usec * 1000n, true)
  }
  syscall("utimensat", AT.FDCWD, layPath(`/proc/self/fd/${fd}`), memory.address, 0)
}
