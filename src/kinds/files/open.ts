import { AT, O } from "../../../ffi/abi/file.ts"
import type { reg_file_entry } from "../../../proto/gen/regfile_pb.ts"
import type { Program, Result } from "../../tracee/program.ts"
import { pathBytes } from "./path.ts"

/** Flags that would make, empty or replace a file. They do not stay with an open file, but an image can say anything. */
const MAKING = O.CREAT | O.EXCL | O.TRUNC | O.CLOEXEC

/**
 * Flags of open(2) for opening again what was opened before. Not O_ASYNC: it would be noted, and nobody signed up for signals. A file made
 * by O_TMPFILE that has got a name is a plain file.
 */
export function openFlags(flags: number): number {
  const kept = flags & O.TMPFILE ? flags & ~(O.TMPFILE | O.DIRECTORY) : flags
  return (kept & ~(MAKING | O.ASYNC)) | O.NOCTTY
}

/**
 * Appends the opening of a file by its path, which counts from the root of the process that runs the program; of a deleted one by the
 * reserved descriptor that leads to it.
 *
 * @param flags of open(2); what would make or change a file is left out   @param ghosts reserved descriptors by file id
 * @returns the descriptor, with the lowest free number and without close-on-exec
 * Precondition: `checkFiles` has seen the entry; the process's root is not yet changed.
 */
export function openRegular(
  program: Program,
  { id, name }: Pick<reg_file_entry, "id" | "name">,
  flags: number,
  ghosts: ReadonlyMap<number, number>,
): Result {
  const made = ghosts.get(id)
  if (made === undefined)
    return program.callWith({ about: `"${name}"` }, "openat", AT.FDCWD, program.bytes(pathBytes(name)), openFlags(flags), 0)
  const about = `"${name}", which is deleted`
  return program.callWith({ about }, "openat", AT.FDCWD, program.string(`/proc/self/fd/${made}`), openFlags(flags) & ~O.NOFOLLOW, 0)
}
