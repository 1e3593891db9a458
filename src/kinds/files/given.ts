import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { openGivenPipe } from "./pipe/restore.ts"
import type { Given, Opened, Restoring } from "./restoring.ts"

/** True when offset, flags and owner are those of whoever gave the descriptor. */
export const isShared = ({ isPipe }: Given): boolean => !isPipe

/**
 * Appends the opening of a file that whoever restores gives (--inherit-fd): a further end of a pipe, or the very open file.
 *
 * CRIU opens anything that is given for a pipe by its path; but a log that a shell has opened would be written from its beginning then.
 */
export function openGiven(
  { pipe, id }: file_entry,
  given: Given,
  restoring: Pick<Restoring, "program" | "files" | "users" | "pipesData" | "pipes" | "extension">,
): Opened {
  if (pipe && given.isPipe) return openGivenPipe(pipe, given.number, restoring)
  return restoring.program.callWith({ about: `what is given for file ${id}` }, "dup", given.number)
}
