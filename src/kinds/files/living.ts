import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { FileImages } from "./images.ts"
import { isDeparted } from "./pidfd/restore.ts"
import { subjectOf } from "./regular/departed.ts"

/** Reserved descriptors of shared files, by id; who finishes each, see SharedFiles; all processes of the tree, zombies too. */
export interface Leading {
  readonly shared: ReadonlyMap<number, number>
  readonly finisher: ReadonlyMap<number, number>
  readonly pids: ReadonlySet<number>
}

/** Whether a file leads to a process that is not there when the root is alone: a pidfd, or a file in /proc about another one. */
function leadsToUnborn({ pidfd, reg }: file_entry, root: number, pids: ReadonlySet<number>): boolean {
  const pid = reg && subjectOf(reg.name)?.pid
  return pidfd !== undefined || (pid !== undefined && pid !== root && pids.has(pid))
}

/** Shared files that wait until all processes are born, with their reserved numbers. What is in flight alone cannot wait. */
export const madeLater = (
  { shared, finisher, pids }: Leading,
  { files, departed }: Pick<FileImages, "files" | "departed">,
  root: number,
): [id: number, fd: number][] =>
  [...shared].filter(([id]) => {
    const file = files.get(id)
    return file && finisher.has(id) && !departed.has(id) && !isDeparted(file) && leadsToUnborn(file, root, pids)
  })
