import { closeSync } from "../../../ffi/fs.ts"
import type { FileImages } from "../../kinds/files/images.ts"
import { groupDeparted, makeDeparted } from "../../kinds/files/pidfd/departed.ts"
import { openOfDeparted } from "../../kinds/files/regular/stand-in.ts"
import { lendCapabilities } from "../../tracee/own-caps.ts"
import type { Deadline } from "../../tracee/wait.ts"
import type { ServiceDescriptors } from "./descriptors.ts"
import { keeperOf } from "./ids.ts"

/** What images say of processes that had ended. */
type Departed = Pick<FileImages, "files" | "departed">

/**
 * Makes what leads to processes that had ended before the dump: process descriptors, and files in /proc. Shares it.
 *
 * @returns numbers in the new processes, by file id
 * @throws SyscallError · CheckpointError E_PID_TAKEN, E_TIMEOUT, E_INTERRUPTED
 */
export function shareDeparted(images: Departed, services: ServiceDescriptors, deadline: Deadline): Map<number, number> {
  const numbers = new Map<number, number>()
  const share = (made: ReadonlyMap<number, number>): void => {
    for (const [id, fd] of made)
      try {
        numbers.set(id, services.share(fd))
      } finally {
        closeSync(fd)
      }
  }
  for (const group of groupDeparted(images.files)) share(makeDeparted(group, deadline))
  using _lent = lendCapabilities()
  for (const [pid, group] of Map.groupBy(images.departed, ([, of]) => of)) {
    const files = group.flatMap(([id]) => images.files.get(id) ?? [])
    share(openOfDeparted(pid, files, deadline, keeperOf))
  }
  return numbers
}

/** File ids of what `shareDeparted` makes. */
const idsOf = (images: Departed): number[] => [
  ...groupDeparted(images.files).flatMap((group) => group.map(({ id }) => id)),
  ...images.departed.keys(),
]

/** How many of them there are. */
export const countDeparted = (images: Departed): number => idsOf(images).length

/** Numbers as `shareDeparted` gives them, for files that are not made. */
export const reserveDeparted = (images: Departed, services: Pick<ServiceDescriptors, "reserve">): Map<number, number> =>
  new Map(idsOf(images).map((id) => [id, services.reserve()]))
