import { closeSync } from "../../../../ffi/fs.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { inotify_file_entry } from "../../../../proto/gen/fsnotify_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import type { FileImages } from "../images.ts"
import { type Handles, isWhole, openHandles } from "./handle.ts"
import { ghostOf, gone, openTarget, type SavedTarget } from "./target.ts"

const DAMAGED = "Dump the program again: this image was damaged or changed"
const MAX_WD = 0x7fffffff

const corrupt = (action: string, found: string): CheckpointError => new CheckpointError("E_IMAGE_CORRUPT", action, found, DAMAGED)

/** That a watched file is there, or will be. @throws CheckpointError E_IMAGE_CORRUPT · E_FILE_CHANGED */
function checkTarget(action: string, target: SavedTarget, handles: Handles, ghosts: FileImages["ghosts"]): void {
  const { f_handle, i_ino, s_dev } = target
  if (!isWhole(f_handle)) throw corrupt(action, `its handle has ${f_handle.handle.length * 8} bytes instead of ${f_handle.bytes}`)
  if (f_handle.path !== undefined && !f_handle.path.startsWith("/")) throw corrupt(action, `"${f_handle.path}" is no absolute path`)
  if (ghostOf(target, ghosts) !== undefined) return
  const fd = openTarget(target, { handles, ghosts, made: new Map() })
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

/**
 * Checks of the inotify descriptors of a tree: that their images are whole and that what they watch is there.
 *
 * @param held ids of files that some process has a descriptor of   @param flying ids of those in flight through sockets
 * @returns checks that throw E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED · E_FILE_CHANGED
 */
export function* notifyChecks(
  held: ReadonlySet<number>,
  flying: ReadonlySet<number>,
  { files, ghosts }: Pick<FileImages, "files" | "ghosts">,
): Generator<() => void> {
  const watching = [...files.values()].filter((file) => file.ify && (held.has(file.id) || flying.has(file.id)))
  if (watching.length === 0) return
  using handles = openHandles()
  for (const file of watching)
    yield () => {
      if (!held.has(file.id)) throw inFlight(file)
      if (file.ify) checkInotify(file.ify, handles, ghosts)
    }
}

/** A watch is made through a descriptor: one that no process has is out of reach. */
const inFlight = ({ id }: file_entry): CheckpointError =>
  new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    `Cannot restore file ${id}, which is in flight through a socket`,
    "it is an inotify that no process has open",
    "Restore this image with CRIU, or dump the program when it has received it",
  )
