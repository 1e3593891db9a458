import { addMarks } from "../../kinds/files/notify/fanotify/restore.ts"
import { openHandles } from "../../kinds/files/notify/handle.ts"
import { tellLoss } from "../../kinds/files/notify/inotify/lost.ts"
import { addWatches } from "../../kinds/files/notify/inotify/restore.ts"
import { type FileTree, lendFiles } from "./lend-files.ts"

/**
 * Gives every inotify of a new tree its watches, and every fanotify its marks.
 *
 * @param made descriptors of ours for deleted files, by file id
 * @throws CheckpointError E_FILE_CHANGED · E_KERNEL · E_RESTORE
 * Precondition: every descriptor stands at its number in a process that is stopped, and the programs of the restore have run: what they do
 * to watched files is not told.
 */
export function restoreWatches(tree: FileTree, made: ReadonlyMap<number, number>): void {
  const { files, ghosts, extension } = tree.root.files
  const watching = [...files.values()].filter(({ ify, ffy }) => ify !== undefined || ffy !== undefined)
  if (watching.length === 0) return
  const facts = new Map(extension.map((one) => [one.id, one]))
  using handles = openHandles()
  const targets = { handles, ghosts, made }
  lendFiles(
    tree,
    watching.map(({ id }) => id),
    (id, copy) => {
      const { ify, ffy } = files.get(id) ?? {}
      if (ify && facts.get(id)?.notify_lost) tellLoss(copy)
      if (ify) addWatches(copy, ify, targets)
      if (ffy) addMarks(copy, ffy, facts.get(id), targets)
    },
  )
}
