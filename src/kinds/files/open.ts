import { AT, O } from "../../../ffi/abi/file.ts"
import type { reg_file_entry } from "../../../proto/gen/regfile_pb.ts"
import { bytesOf } from "../../../proto/text.ts"
import type { Data, Program, Result } from "../../tracee/program.ts"

/** Flags that would make, empty or replace a file. They do not stay with an open file, but an image can say anything. */
const MAKING = O.CREAT | O.EXCL | O.TRUNC | O.CLOEXEC

/** A path as bytes with its NUL: it need not be UTF-8. */
const pathData = (program: Program, path: string): Data => program.bytes(Buffer.concat([bytesOf(path), Buffer.alloc(1)]))

/** Flags of open(2) for opening again what was opened before. A file made by O_TMPFILE that has got a name is a plain file. */
export function openFlags(flags: number): number {
  const kept = flags & O.TMPFILE ? flags & ~(O.TMPFILE | O.DIRECTORY) : flags
  return (kept & ~MAKING) | O.NOCTTY
}

/**
 * Appends the opening of a file by its path, which counts from the root of the process that runs the program.
 *
 * @param flags of open(2); what would make or change a file is left out
 * @returns the descriptor, with the lowest free number and without close-on-exec
 * Precondition: `checkFiles` has seen the entry; the process's root is not yet changed.
 */
export function openRegular(program: Program, { name }: Pick<reg_file_entry, "name">, flags: number): Result {
  return program.callWith({ about: `"${name}"` }, "openat", AT.FDCWD, pathData(program, name), openFlags(flags), 0)
}
