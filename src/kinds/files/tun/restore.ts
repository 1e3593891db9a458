import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import type { tunfile_entry } from "../../../../proto/gen/tun_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import type { Result } from "../../../tracee/program.ts"
import { pathEntry } from "../images.ts"
import { openRegular } from "../open.ts"
import type { Restoring } from "../restoring.ts"
import type { FileFacts } from "../row.ts"

const pathOf = ({ id }: tunfile_entry, files: ReadonlyMap<number, file_entry>): reg_file_entry => pathEntry(id, id, "device", files)

/** Flags and owner, which the path's entry has. @throws CheckpointError E_IMAGE_CORRUPT it is missing */
export function tunFacts(entry: tunfile_entry, files: ReadonlyMap<number, file_entry>): FileFacts {
  const { flags, fown } = pathOf(entry, files)
  return { id: entry.id, flags, fown }
}

/** @throws CheckpointError E_IMAGE_UNSUPPORTED it had an interface */
export function checkTun({ id, netdev }: tunfile_entry): void {
  if (netdev === undefined || netdev === "") return
  const found = `it had made the network interface "${netdev}"`
  throw new CheckpointError("E_IMAGE_UNSUPPORTED", `Cannot restore file ${id} of files.img`, found, "Restore this image with CRIU")
}

/** An entry -> the device, open. Mirror: ./collect.ts */
export const restoreTun = (entry: tunfile_entry, { program, files, ghosts }: Pick<Restoring, "program" | "files" | "ghosts">): Result => {
  const reg = pathOf(entry, files)
  return openRegular(program, reg, reg.flags, ghosts)
}
