import type { FileImages } from "../../kinds/files/images.ts"
import type { SavedTree } from "../images.ts"
import { checkServers } from "../servers.ts"

const text = new TextDecoder()

/** Paths that a restore looks at, opens or makes. @param given files that it has from elsewhere, by their ids */
export function savedPaths(files: Pick<FileImages, "files" | "extension">, given: ReadonlyMap<number, unknown>): string[] {
  const made = [...files.files.values()].filter(({ id, reg }) => !given.has(id) && reg?.ext !== true)
  const opened = made.flatMap(({ reg, usk, ify, ffy }) => [
    reg?.name,
    // An abstract one begins with a zero, a relative one is in its directory.
    ...(usk ? [text.decode(usk.name).replace(/\0$/, ""), usk.name_dir] : []),
    ...(ify?.wd ?? []).map(({ f_handle }) => f_handle?.path),
    ...(ffy?.mark ?? []).flatMap(({ ie, me }) => [ie?.f_handle?.path, me?.path]),
  ])
  const more = files.extension.flatMap(({ socket_file, filesystem_marks }) => [
    socket_file,
    ...(filesystem_marks?.marks ?? []).map(({ path }) => path),
  ])
  return [...opened, ...more].filter((path) => path !== undefined)
}

/**
 * Makes sure that the servers of the file systems that a saved tree has files on answer.
 *
 * @param given as of `findGiven`   @param seconds as of --timeout
 * @throws CheckpointError E_TIMEOUT · E_INTERRUPTED
 */
export function checkServersOfSaved({ root }: SavedTree, given: ReadonlyMap<number, unknown>, seconds: number): void {
  const user = `the saved tree of process ${root.tree.pid}`
  checkServers(process.pid, () => [{ user, paths: savedPaths(root.files, given) }], seconds)
}
