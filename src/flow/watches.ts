import { borrowDescriptors } from "../kinds/files/copies.ts"
import { type FileImages, usersOf } from "../kinds/files/images.ts"
import { openHandles } from "../kinds/files/notify/handle.ts"
import { tellLoss } from "../kinds/files/notify/inotify/lost.ts"
import { addWatches } from "../kinds/files/notify/inotify/restore.ts"

/** A tree as the images have it, as far as it has open files. */
interface Holders {
  readonly root: { readonly files: FileImages }
  readonly processes: readonly { readonly tree: { readonly pid: number }; readonly files: FileImages }[]
}

/**
 * Gives every inotify of a new tree its watches.
 *
 * @param made descriptors of ours for deleted files, by file id
 * @throws CheckpointError E_FILE_CHANGED · E_KERNEL · E_RESTORE
 * Precondition: every descriptor stands at its number in a process that is stopped, and the programs of the restore have run: what they do to
 * watched files is not told.
 */
export function restoreWatches({ root, processes }: Holders, made: ReadonlyMap<number, number>): void {
  const { files, ghosts, extension } = root.files
  if (!files.values().some(({ ify }) => ify !== undefined)) return
  const lost = new Set(extension.flatMap(({ id, notify_lost }) => (notify_lost ? [id] : [])))
  using handles = openHandles()
  const done = new Set<number>()
  for (const { tree, files: own } of processes) {
    using copies = borrowDescriptors(tree.pid)
    for (const [id, [first]] of usersOf(own.fdinfos)) {
      const ify = files.get(id)?.ify
      if (!ify || !first || done.has(id)) continue
      done.add(id)
      copies.lend(first.fd, (copy) => {
        if (lost.has(id)) tellLoss(copy)
        addWatches(copy, ify, { handles, ghosts, made })
      })
    }
  }
}
