import { AT, F, O } from "../../../../../ffi/abi/file.ts"
import { FAN, FAN_MARK } from "../../../../../ffi/abi/notify.ts"
import { closeSync } from "../../../../../ffi/fs.ts"
import { attempt, errnoName, SyscallError } from "../../../../../ffi/syscall.ts"
import { type fanotify_file_entry, type fanotify_mark_entry, mark_type } from "../../../../../proto/gen/fsnotify_pb.ts"
import type { stasis_file_entry } from "../../../../../proto/gen/stasis_pb.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import type { Result } from "../../../../tracee/program.ts"
import { layPath } from "../../path.ts"
import type { Restoring } from "../../restoring.ts"
import { gone, openTarget, type Targets } from "../target.ts"

/**
 * An entry -> an open fanotify appended to the program; `addMarks` gives it its marks when all files stand. Mirror: ./collect.ts
 * One that was made without rights is made without them: a group with them is told more.
 */
export function restoreFanotify(
  { id, flags, faflags, evflags }: fanotify_file_entry,
  { program, extension, self }: Pick<Restoring, "program" | "extension" | "self">,
): Result {
  const about = `fanotify ${id}`
  const user = extension.get(id)?.fanotify_user
  // Any user but root has no capabilities then.
  if (user !== undefined) program.callWith({ about }, "setresuid", -1, user || NOBODY, -1)
  const fd = program.callWith({ about }, "fanotify_init", faflags, evflags)
  if (user !== undefined) program.callWith({ about }, "setresuid", -1, self.euid, -1)
  if (faflags & FAN.NONBLOCK && !(flags & O.NONBLOCK)) program.callWith({ about }, "fcntl", fd, F.SETFL, 0)
  return fd
}

const NOBODY = 65534

/** The path of a mount: CRIU leaves out its first character, or says "." for it, in some images. */
export const mountPath = (path: string | undefined): string => `/${(path ?? "").replace(/^(?:\.(?=\/|$))?\/*/, "")}`

const KIND_FLAGS: Readonly<Record<number, number>> = { [mark_type.INODE]: 0, [mark_type.MOUNT]: FAN_MARK.MOUNT }

/**
 * Gives a fanotify of a new process its marks. By the tool, see `addWatches` of ../inotify/restore.ts
 *
 * @param copy of the fanotify, which has no mark yet
 * @throws CheckpointError E_FILE_CHANGED a file is gone · E_KERNEL · E_RESTORE
 */
export function addMarks(
  copy: number,
  { id, mark: marks }: fanotify_file_entry,
  facts: stasis_file_entry | undefined,
  targets: Targets,
): void {
  for (const { path, ...mark } of facts?.filesystem_marks?.marks ?? [])
    addMark(copy, FAN_MARK.FILESYSTEM, mark, path, `Cannot restore the mark of fanotify ${id} on the file system of "${path}"`)
  // The kernel lists the newest first.
  for (const mark of [...marks].reverse()) {
    const kind = KIND_FLAGS[mark.type] ?? 0
    if (!mark.ie) {
      const path = mountPath(mark.me?.path)
      addMark(copy, kind, mark, path, `Cannot restore the mark of fanotify ${id} on the mount at "${path}"`)
      continue
    }
    const { i_ino, f_handle } = mark.ie
    const action = `Cannot restore the mark of fanotify ${id} on "${f_handle.path ?? `inode ${i_ino}`}"`
    const fd = openTarget({ i_ino, f_handle, s_dev: mark.s_dev }, targets)
    if (fd === undefined) throw gone(action, f_handle.path, i_ino, mark.s_dev)
    try {
      addMark(copy, kind, mark, `/proc/self/fd/${fd}`, action)
    } finally {
      closeSync(fd)
    }
  }
}

/** What one mark asks for, and what it ignores, are set one after the other. Man page: fanotify_mark(2) */
function addMark(
  copy: number,
  kind: number,
  { mflags, mask, ignored_mask }: Pick<fanotify_mark_entry, "mflags" | "mask" | "ignored_mask">,
  path: string,
  action: string,
): void {
  const always = FAN_MARK.ADD | kind | (mflags & FAN_MARK.EVICTABLE)
  const ignoring = mflags & FAN_MARK.IGNORE ? FAN_MARK.IGNORE : FAN_MARK.IGNORED_MASK
  const add = (flags: number, events: number): void => {
    if (events === 0) return
    const answer = attempt("fanotify_mark", copy, flags, events, AT.FDCWD, layPath(path))
    if (answer < 0) throw refusal(action, new SyscallError("fanotify_mark", errnoName(-answer), [copy, flags, events]))
  }
  add(always, mask)
  add(always | ignoring | (mflags & FAN_MARK.IGNORED_SURV_MODIFY), ignored_mask)
}

function refusal(action: string, cause: SyscallError): Error {
  if (cause.errno !== "ENOSPC")
    return new CheckpointError("E_RESTORE", action, "the kernel refuses it", "Restore on the kernel of the dump, as root", cause)
  const found = "no further mark is allowed (fs.fanotify.max_user_marks)"
  return new CheckpointError("E_KERNEL", action, found, "Raise it: sysctl fs.fanotify.max_user_marks=1000000", cause)
}
