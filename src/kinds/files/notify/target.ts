import { AT, F, O } from "../../../../ffi/abi/file.ts"
import { attempt, syscall } from "../../../../ffi/syscall.ts"
import type { fh_entry } from "../../../../proto/gen/fh_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { logger } from "../../../base/log.ts"
import type { FileImages } from "../images.ts"
import { layPath } from "../path.ts"
import { statDescriptor } from "../stat.ts"
import { type Handles, handleOf, hasHandle } from "./handle.ts"

const log = logger("notify")

/** A watched file as images have it. */
export interface SavedTarget {
  readonly i_ino: bigint
  /** In the kernel's form. */
  readonly s_dev: number
  readonly f_handle: fh_entry
}

/** Where watched files are found. */
export interface Targets {
  readonly handles: Handles
  /** Deleted files of the set, and descriptors of ours for them by the ids of files.img. */
  readonly ghosts: FileImages["ghosts"]
  readonly made: ReadonlyMap<number, number>
}

/** The file id of a deleted file of the set; undefined when it is none. */
export const ghostOf = ({ i_ino, s_dev }: SavedTarget, ghosts: FileImages["ghosts"]): number | undefined =>
  ghosts.entries().find(([, { entry }]) => entry.ino === i_ino && entry.dev === s_dev)?.[0]

/**
 * Opens (O_PATH) what is watched: the deleted file that was made again; by its handle, which is right whatever its name is by now; by its
 * path.
 *
 * @param isFirst true: warns when its path leads to another file by now; what opens it again need not
 * @returns undefined when it is gone; else the caller's to close
 */
export function openTarget(target: SavedTarget, { handles, ghosts, made }: Targets, isFirst = false): number | undefined {
  const { i_ino, s_dev, f_handle } = target
  const ghost = ghostOf(target, ghosts)
  const number = ghost === undefined ? undefined : made.get(ghost)
  if (number !== undefined) return syscall("openat", AT.FDCWD, layPath(`/proc/self/fd/${number}`), O.PATH | O.CLOEXEC, 0)
  const handle = handleOf(f_handle)
  // Handles outlive names, but a copy of the file system may give them to other files.
  const opened = handle && handles.lend(s_dev, handle, (fd) => (statDescriptor(fd).ino === i_ino ? duplicate(fd) : undefined))
  if (opened !== undefined && opened !== null) return opened
  if (f_handle.path === undefined) return undefined
  const named = attempt("openat", AT.FDCWD, layPath(f_handle.path), O.PATH | O.NOFOLLOW | O.CLOEXEC, 0)
  if (named < 0) return undefined
  // A handle outlives a mount; overlayfs gives its directories new numbers at each.
  const isSame = (handle ? hasHandle(named, handle) : undefined) ?? statDescriptor(named).ino === i_ino
  if (isFirst && !isSame) log.warn(`"${f_handle.path}" is watched, which is another file by now`)
  return named
}

const duplicate = (fd: number): number => syscall("fcntl", fd, F.DUPFD_CLOEXEC, 0)

/** What is said of a watched file that is not to be found. */
export const gone = (action: string, path: string | undefined, ino: bigint, sdev: number): CheckpointError =>
  new CheckpointError(
    "E_FILE_CHANGED",
    action,
    path === undefined
      ? `its file (inode ${ino} of device ${sdev >>> 20}:${sdev & 0xfffff}) is gone, or cannot be opened by its handle`
      : `"${path}" is gone`,
    "Put the file back at its path, and restore as root on the machine of the dump",
  )
