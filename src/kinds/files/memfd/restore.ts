import { F, O } from "../../../../ffi/abi/file.ts"
import type { memfd_file_entry } from "../../../../proto/gen/memfd_pb.ts"
import { damagedImage } from "../../../base/errors.ts"
import type { Result } from "../../../tracee/program.ts"
import { openRegular } from "../open.ts"
import type { Restoring } from "../restoring.ts"

const NO_GHOSTS: ReadonlyMap<number, number> = new Map()

/**
 * An entry -> an open memfd appended to the program, at its position. Mirror: ./collect.ts
 * Its memory exists: every process has it at a reserved number. Opened anew, for each open file has flags and a position of its own; but
 * nobody can open an executable to write, and who made it has the only such open file.
 * Kernel: fs/exec.c exe_file_deny_write_access(), and mm/memfd.c, which counts no writer
 *
 * @throws CheckpointError E_IMAGE_CORRUPT memfd.img does not have the memory
 */
export function restoreMemfd(
  entry: memfd_file_entry,
  { program, memfds, executed }: Pick<Restoring, "program" | "memfds" | "executed">,
): Result {
  const { id, flags, pos, inode_id } = entry
  const number = memfds.get(inode_id)
  if (number === undefined) {
    throw damagedImage(`Cannot restore memory file ${id}`, `memfd.img has no memory ${inode_id}`)
  }
  const isMakers = executed.has(inode_id) && (flags & O.ACCMODE) === O.RDWR && !(flags & O.PATH)
  const fd = isMakers
    ? program.callWith({ about: `memory file ${id}` }, "dup", number)
    : openRegular(program, { id, name: `/proc/self/fd/${number}` }, flags, NO_GHOSTS)
  if (isMakers) program.callWith({ about: `the flags of memory file ${id}` }, "fcntl", fd, F.SETFL, flags)
  if (pos !== 0n && !(flags & O.PATH)) program.callWith({ about: `the position in memory file ${id}`, returns: pos }, "lseek", fd, pos, 0)
  return fd
}
