import { O } from "../../../ffi/abi/file.ts"
import type { fs_entry } from "../../../proto/gen/fs_pb.ts"
import type { Program, Result } from "../../tracee/program.ts"

/** The directories of an image by file id. */
export interface Directories {
  /** Path from the root that the process has while the program runs. */
  path(id: number): string
  /** Appends the opening with flags of open(2). */
  open(id: number, flags: number): Result
}

/** A place to go to: no permission to read it is needed. */
const PLACE = O.PATH | O.DIRECTORY

/**
 * Appends root, working directory and umask. Mirror: ./collect.ts
 *
 * Both directories are opened first, for their paths count from the root that the process still has. A root that is "/" is left alone, so
 * that no privilege is needed.
 *
 * Preconditions: all other files are open; CAP_SYS_CHROOT is not yet dropped if the root is another one.
 */
export function restoreFs({ cwd_id, root_id, umask }: fs_entry, directories: Directories, program: Program): void {
  const cwd = directories.open(cwd_id, PLACE)
  if (directories.path(root_id) !== "/") {
    const about = "the root directory"
    const root = directories.open(root_id, PLACE)
    program.callWith({ about }, "fchdir", root)
    program.callWith({ about }, "chroot", program.string("."))
    program.call("close", root)
  }
  program.callWith({ about: "the working directory" }, "fchdir", cwd)
  program.call("close", cwd)
  if (umask !== undefined) program.call("umask", umask)
}
