import type { SavedTree } from "../images.ts"
import { checkServers } from "../servers.ts"

const text = new TextDecoder()

/** Paths that a restore looks at, opens or makes. */
function pathsOf({ root: { files } }: SavedTree): string[] {
  const opened = [...files.files.values()].flatMap(({ reg, usk, ify, ffy }) => [
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
 * @param seconds as of --timeout   @throws CheckpointError E_TIMEOUT · E_INTERRUPTED
 */
export function checkServersOfSaved(saved: SavedTree, seconds: number): void {
  checkServers(process.pid, () => [{ user: `the saved tree of process ${saved.root.tree.pid}`, paths: pathsOf(saved) }], seconds)
}
