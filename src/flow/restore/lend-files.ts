import { borrowDescriptors } from "../../kinds/files/copies.ts"
import { type FileImages, usersOf } from "../../kinds/files/images.ts"

/** A tree as the images have it, as far as it has open files. */
export interface FileTree {
  readonly root: { readonly files: FileImages }
  readonly processes: readonly { readonly tree: { readonly pid: number }; readonly files: FileImages }[]
}

/**
 * Lends open files of a new tree by copies of their descriptors: each once, however many processes have it.
 *
 * @param wanted ids of files
 * Precondition: every descriptor stands at its number in a process that is stopped.
 */
export function lendFiles({ processes }: FileTree, wanted: Iterable<number>, use: (id: number, copy: number) => void): void {
  const left = new Set(wanted)
  for (const { tree, files } of processes) {
    if (left.size === 0) return
    using copies = borrowDescriptors(tree.pid)
    for (const [id, [first]] of usersOf(files.fdinfos)) if (first && left.delete(id)) copies.lend(first.fd, (copy) => use(id, copy))
  }
}
