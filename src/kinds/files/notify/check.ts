import { FAN } from "../../../../ffi/abi/notify.ts"
import { closeSync } from "../../../../ffi/fs.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import { type fanotify_file_entry, type inotify_file_entry, mark_type } from "../../../../proto/gen/fsnotify_pb.ts"
import type { stasis_file_entry } from "../../../../proto/gen/stasis_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import type { FileImages } from "../images.ts"
import { statPath } from "../stat.ts"
import { mountPath } from "./fanotify/restore.ts"
import { type Handles, isWhole, openHandles } from "./handle.ts"
import { ghostOf, gone, openTarget, type SavedTarget } from "./target.ts"

const MAX_WD = 0x7fffffff

const corrupt = (action: string, found: string): CheckpointError => damagedImage(action, found)

/** That a watched file is there, or will be. @throws CheckpointError E_IMAGE_CORRUPT · E_FILE_CHANGED */
function checkTarget(action: string, target: SavedTarget, handles: Handles, ghosts: FileImages["ghosts"]): void {
  const { f_handle, i_ino, s_dev } = target
  if (!isWhole(f_handle)) throw corrupt(action, `its handle has ${f_handle.handle.length * 8} bytes instead of ${f_handle.bytes}`)
  if (f_handle.path !== undefined && !f_handle.path.startsWith("/")) throw corrupt(action, `"${f_handle.path}" is no absolute path`)
  if (ghostOf(target, ghosts) !== undefined) return
  const fd = openTarget(target, { handles, ghosts, made: new Map() }, true)
  if (fd === undefined) throw gone(action, f_handle.path, i_ino, s_dev)
  closeSync(fd)
}

function checkInotify({ id, wd: watches }: inotify_file_entry, handles: Handles, ghosts: FileImages["ghosts"]): void {
  const seen = new Set<number>()
  for (const watch of watches) {
    const action = `Cannot restore watch ${watch.wd} of inotify ${id}`
    if (watch.wd < 1 || watch.wd > MAX_WD) throw corrupt(action, "no watch can have this number")
    if (seen.has(watch.wd)) throw corrupt(action, "the image has it twice")
    seen.add(watch.wd)
    checkTarget(action, watch, handles, ghosts)
  }
}

function checkFanotify({ id, faflags, mark: marks }: fanotify_file_entry, handles: Handles, ghosts: FileImages["ghosts"]): void {
  if (faflags & (FAN.CLASS_CONTENT | FAN.CLASS_PRE_CONTENT | FAN.REPORT_MNT))
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      `Cannot restore fanotify ${id}`,
      "it allows and denies accesses, or reports mounts, which is not supported",
      "Restore this image with CRIU, or dump the program without it",
    )
  for (const { type, ie, me, s_dev } of marks) {
    const action = `Cannot restore a mark of fanotify ${id}`
    if (type === mark_type.INODE && ie) checkTarget(action, { i_ino: ie.i_ino, f_handle: ie.f_handle, s_dev }, handles, ghosts)
    else if (type === mark_type.MOUNT && me) {
      const path = mountPath(me.path)
      if (handles.mounts.some(({ point }) => point === path)) continue
      throw new CheckpointError("E_FILE_CHANGED", action, `nothing is mounted at "${path}"`, "Mount it again, then restore")
    } else throw corrupt(action, `a mark of type ${type} has no body`)
  }
}

/** Marks on whole file systems, which the extension has. */
function checkFilesystems({ filesystem_marks }: stasis_file_entry): void {
  for (const { path } of filesystem_marks?.marks ?? [])
    if (!path.startsWith("/") || !statPath(path, true))
      throw new CheckpointError("E_FILE_CHANGED", "Cannot restore a mark of a fanotify", `there is no "${path}"`, "Mount it, then restore")
}

/**
 * Checks of the inotify and fanotify descriptors of a tree: that their images are whole and that what they watch is there.
 *
 * @param held ids of files that some process has a descriptor of   @param flying ids of those in flight through sockets
 * @returns checks that throw E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED · E_FILE_CHANGED
 */
export function* notifyChecks(
  held: ReadonlySet<number>,
  flying: ReadonlySet<number>,
  { files, ghosts, extension }: Pick<FileImages, "files" | "ghosts" | "extension">,
): Generator<() => void> {
  const watching = [...files.values()].filter((file) => (file.ify ?? file.ffy) && (held.has(file.id) || flying.has(file.id)))
  if (watching.length === 0) return
  using handles = openHandles()
  for (const file of watching)
    yield () => {
      if (!held.has(file.id)) throw inFlight(file)
      if (file.ify) checkInotify(file.ify, handles, ghosts)
      if (file.ffy) checkFanotify(file.ffy, handles, ghosts)
      for (const facts of extension) if (facts.id === file.id) checkFilesystems(facts)
    }
}

/** A watch is made through a descriptor: one that no process has is out of reach. */
const inFlight = ({ id }: file_entry): CheckpointError =>
  new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    `Cannot restore file ${id}, which is in flight through a socket`,
    "it is an inotify or fanotify that no process has open",
    "Restore this image with CRIU, or dump the program when it has received it",
  )
