import { closeSync } from "../../../ffi/fs.ts"
import type { FileImages } from "../../kinds/files/images.ts"
import { groupDeparted, makeDeparted } from "../../kinds/files/pidfd/departed.ts"
import { isDeparted } from "../../kinds/files/pidfd/restore.ts"
import type { Deadline } from "../../tracee/wait.ts"
import type { ServiceDescriptors } from "./descriptors.ts"

/**
 * Makes the descriptors of processes that had ended before the dump, and shares them.
 *
 * @returns their numbers in the new processes, by file id   @throws SyscallError · CheckpointError E_TIMEOUT, E_INTERRUPTED
 */
export function shareDeparted({ files }: Pick<FileImages, "files">, services: ServiceDescriptors, deadline: Deadline): Map<number, number> {
  const numbers = new Map<number, number>()
  for (const group of groupDeparted(files))
    for (const [id, fd] of makeDeparted(group, deadline))
      try {
        numbers.set(id, services.share(fd))
      } finally {
        closeSync(fd)
      }
  return numbers
}

/** How many of them there are. */
export const countDeparted = ({ files }: Pick<FileImages, "files">): number => [...files.values()].filter(isDeparted).length

/** Numbers as `shareDeparted` gives them, for files that are not made. */
export const reserveDeparted = ({ files }: Pick<FileImages, "files">, services: Pick<ServiceDescriptors, "reserve">): Map<number, number> =>
  new Map(groupDeparted(files).flatMap((group) => group.map(({ id }) => [id, services.reserve()] as const)))
