import { IN, INOTIFY_IOC_SETNEXTWD } from "../../../../../ffi/abi/notify.ts"
import { closeSync } from "../../../../../ffi/fs.ts"
import { attempt, errnoName, SyscallError, syscall } from "../../../../../ffi/syscall.ts"
import type { inotify_file_entry } from "../../../../../proto/gen/fsnotify_pb.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import type { Result } from "../../../../tracee/program.ts"
import { layPath } from "../../path.ts"
import type { Restoring } from "../../restoring.ts"
import { gone, openTarget, type Targets } from "../target.ts"

const KNOWN = (IN.ALL_EVENTS | IN.EXCL_UNLINK | IN.ONESHOT) >>> 0

/** An entry -> an open inotify appended to the program; `addWatches` gives it its watches when all files stand. Mirror: ./collect.ts */
export const restoreInotify = ({ id }: inotify_file_entry, { program }: Pick<Restoring, "program">): Result =>
  program.callWith({ about: `inotify ${id} (instances are limited by fs.inotify.max_user_instances)` }, "inotify_init1", 0)

/**
 * Gives an inotify of a new process its watches, each with its own number; the next one that the program adds gets the number after the
 * last.
 *
 * By the tool, not in the process: what is opened for it needs no numbers there, and rights that the process has given up.
 *
 * @param copy of the inotify, which has no watch yet
 * @throws CheckpointError E_FILE_CHANGED a file is gone · E_KERNEL · E_RESTORE
 * Precondition: nothing that the restore does to files is still to come, for it would be told. Kernel: fs/notify/inotify/inotify_user.c
 */
export function addWatches(copy: number, { id, wd: watches }: inotify_file_entry, targets: Targets): void {
  for (const { wd, mask, i_ino, s_dev, f_handle } of [...watches].sort((a, b) => a.wd - b.wd)) {
    const fd = openTarget({ i_ino, s_dev, f_handle }, targets)
    const action = `Cannot restore watch ${wd} of inotify ${id}`
    if (fd === undefined) throw gone(action, f_handle.path, i_ino, s_dev)
    try {
      syscall("ioctl", copy, INOTIFY_IOC_SETNEXTWD, wd)
      // A watch for no event at all is kept by the kernel, but not made, unless something is asked for.
      const asked = (mask & KNOWN) >>> 0 || IN.MASK_ADD
      const answer = attempt("inotify_add_watch", copy, layPath(`/proc/self/fd/${fd}`), asked)
      if (answer < 0) throw refusal(action, new SyscallError("inotify_add_watch", errnoName(-answer), [copy, fd, asked]))
      if (answer !== wd)
        throw new CheckpointError(
          "E_RESTORE",
          action,
          `it got number ${answer}: two of its files are one by now`,
          "Put the files back as they were, then restore again",
        )
    } finally {
      closeSync(fd)
    }
  }
}

function refusal(action: string, cause: SyscallError): Error {
  if (cause.errno !== "ENOSPC") return new CheckpointError("E_RESTORE", action, "its file cannot be watched", "Look at the file", cause)
  const found = "no further watch is allowed (fs.inotify.max_user_watches)"
  return new CheckpointError("E_KERNEL", action, found, "Raise it: sysctl fs.inotify.max_user_watches=1000000", cause)
}
