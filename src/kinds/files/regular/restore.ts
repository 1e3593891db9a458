import { O, SEEK } from "../../../../ffi/abi/file.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import type { Result } from "../../../tracee/program.ts"
import { openRegular } from "../open.ts"
import type { Restoring } from "../restoring.ts"

/** Position of files that cannot be sought: -1. */
export const NO_POSITION = 0xffff_ffff_ffff_ffffn

/** An entry -> an open file appended to the program, at its position. Mirror: ./collect.ts */
export function restoreRegular(entry: reg_file_entry, { program, ghosts }: Pick<Restoring, "program" | "ghosts">): Result {
  const { flags, pos, name } = entry
  const fd = openRegular(program, entry, flags, ghosts)
  const sought = pos !== 0n && pos !== NO_POSITION && (flags & O.PATH) === 0
  if (sought) program.callWith({ about: `the position in "${name}"`, returns: pos }, "lseek", fd, pos, SEEK.SET)
  return fd
}
