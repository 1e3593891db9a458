import { borrowDescriptors } from "../kinds/files/copies.ts"
import { type FileImages, usersOf } from "../kinds/files/images.ts"
import { addMarks } from "../kinds/files/notify/fanotify/restore.ts"
import { openHandles } from "../kinds/files/notify/handle.ts"
import { tellLoss } from "../kinds/files/notify/inotify/lost.ts"
import { addWatches } from "../kinds/files/notify/inotify/restore.ts"

/** A tree as the images have it, as far as it has open files. */
interface Holders {
  readonly root: { readonly files: FileImages }
  readonly processes: readonly { readonly tree: { readonly pid: number }; readonly files: FileImages }[]
}

/**
 * Gives every inotify of a new tree its watches, and every fanotify its marks.
 *
 * @param made descriptors of ours for deleted files, by file id
 * @throws CheckpointError E_FILE_CHANGED · E_KERNEL · E_RESTORE
 * Precondition: every descriptor stands at its number in a process that is stopped, and the programs of the restore have run: what they do to
 * watched files is not told.
 */
export function restoreWatches({ root, processes }: Holders, made: ReadonlyMap<number, number>): void {
  const { files, ghosts, extension } = root.files
  if (!files.values().some(({ ify, ffy }) => ify !== undefined || ffy !== undefined)) return
  const facts = new Map(extension.map((one) => [one.id, one]))
  using handles = openHandles()
  const done = new Set<number>()
  for (const { tree, files: own } of processes) {
    using copies = borrowDescriptors(tree.pid)
    for (const [id, [first]] of usersOf(own.fdinfos)) {
      const { ify, ffy } = files.get(id) ?? {}
      if (!(ify ?? ffy) || !first || done.has(id)) continue
      done.add(id)
      const targets = { handles, ghosts, made }
      copies.lend(first.fd, (copy) => {
        if (ify && facts.get(id)?.notify_lost) tellLoss(copy)
        if (ify) addWatches(copy, ify, targets)
        if (ffy) addMarks(copy, ffy, facts.get(id), targets)
      })
    }
  }
}
