import { AT, OVERLAYFS_MAGIC, S_IF } from "../../../ffi/abi/file.ts"
import { AT_HANDLE_FID, fileHandle, MAX_HANDLE_SZ } from "../../../ffi/abi/notify.ts"
import { encodeInto } from "../../../ffi/layout.ts"
import { allocate, attempt, isFailure } from "../../../ffi/syscall.ts"
import { readMountinfo } from "../../proc/mountinfo.ts"
import { DELETED } from "../../proc/text.ts"
import { layPath } from "./path.ts"
import { detailsOf, type FileStat, isOfFuse, kindOf } from "./stat.ts"

const memory = allocate(4096)
const MOUNT_ID = 512
/**
 * Where an overlayfs handle has its flags, bytes from its begin; and the one of files that no lower layer has. Kernel:
 * fs/overlayfs/overlayfs.h struct ovl_fh
 */
const FLAGS_AT = fileHandle.size + 6
const OF_UPPER = 4

/** Whether a path leads to overlayfs. Symbolic links are followed, here and below. Man page: statfs(2) */
export const isOnOverlay = (path: string): boolean =>
  !isFailure(attempt("statfs", layPath(path), memory.address)) && memory.view.getUint32(0, true) === OVERLAYFS_MAGIC

/** False for a file that overlayfs has, or may have, in a lower layer. Before Linux 6.6 none tells. */
function isOfUpper(path: string): boolean {
  encodeInto(fileHandle, memory.bytes, { handle_bytes: MAX_HANDLE_SZ, handle_type: 0 })
  const flags = AT_HANDLE_FID | AT.SYMLINK_FOLLOW
  const answer = attempt("name_to_handle_at", AT.FDCWD, layPath(path), memory.address, memory.address + MOUNT_ID, flags)
  return !isFailure(answer) && (memory.view.getUint8(FLAGS_AT) & OF_UPPER) !== 0
}

/** What overlayfs has, or may have, in a lower layer: it tells the names of that one, and copies it up when somebody writes to it. */
export const isOfLower = (path: string): boolean => isOnOverlay(path) && !isOfUpper(path)

/** Of what is of a lower layer: a text that is another one when the file has been copied up. */
export function lowerStamp(path: string): string | undefined {
  const changed = isOfLower(path) ? detailsOf(path)?.changed : undefined
  return changed && `${changed.seconds}.${changed.nanoseconds}`
}

/** What mountinfo calls the overlays that containers without root have where they may not mount the kernel's. */
const FUSE_OVERLAY = "fuse.fuse-overlayfs"

/** Whether a path leads to fuse-overlayfs. @param pid of a process that has its mount   @throws CheckpointError E_NO_PROCESS */
export function isOfFuseOverlay(path: string, pid: number): boolean {
  if (!isOfFuse(path)) return false
  const mount = detailsOf(path)?.mount
  return readMountinfo(pid).some(({ id, type }) => BigInt(id) === mount && type === FUSE_OVERLAY)
}

/**
 * Whether no name leads to a file any more. A directory has one name; a file of a lower layer keeps its names there when overlayfs hides
 * them; fuse-overlayfs counts the last name that it has removed, until the file is closed.
 *
 * @param link in /proc/PID that leads to it   @param target what that link says, which is none of its names
 * @throws CheckpointError E_NO_PROCESS
 * Kernel: fs/overlayfs/inode.c ovl_getattr()
 */
export function isNameless(link: string, target: string, { mode, nlink }: Pick<FileStat, "mode" | "nlink">): boolean {
  if (nlink === 0) return true
  if (!target.endsWith(DELETED)) return false
  return kindOf(mode) === S_IF.DIR || isOfLower(link) || (nlink === 1 && isOfFuseOverlay(link, Number(link.split("/")[2])))
}
