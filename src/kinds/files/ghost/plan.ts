import { O, S_IF } from "../../../../ffi/abi/file.ts"
import type { Ghost } from "../images.ts"
import { baseOf, folderOf } from "../path.ts"
import { kindOf, statPath } from "../stat.ts"

/** A deleted file that is to be made. */
export interface Wanted {
  readonly ghost: Ghost
  /** That it had. */
  readonly name: string
  /** Of the open file, O_TMPFILE among them. */
  readonly flags: number
}

/** How one is made. */
export interface Making {
  readonly ghost: Ghost
  readonly name: string
  /** Name of ours that it has first, for its own may be taken: it is renamed, if that replaces nothing. */
  readonly aside: string
  /** Folder for a file that never had a name: such a file may still be given one (linkat). */
  readonly unnamed: string | undefined
  /** A folder that is made anyhow, for others to be made in. */
  readonly isThere: boolean
}

/** The making of all of them, as data. */
interface GhostPlan {
  /** Folders that are there for a moment only, outer ones first. */
  readonly folders: readonly string[]
  readonly makings: readonly Making[]
  /** Every name that is there for a moment, in the order of removal; those of folders are told. */
  readonly names: readonly (readonly [path: string, isFolder: boolean])[]
}

/** Longest name in a folder, bytes. */
const NAME_MAX = 255

/** A name that nobody else has. Mirror: ASIDE of ../name.ts */
function stepAside(name: string, pid: number, number: number): string {
  const tail = `.stasis-${pid}-${number}`
  const folder = folderOf(name)
  let base = baseOf(name)
  while (Buffer.byteLength(base) + tail.length + 1 > NAME_MAX) base = base.slice(0, -1)
  return `${folder === "/" ? "" : folder}/.${base}${tail}`
}

/**
 * True for a file that never had a name. That of one that was restored before is not open by O_TMPFILE any more, but the kernel has named
 * it by its inode. Kernel: fs/dcache.c d_mark_tmpfile()
 */
const wasUnnamed = ({ ghost, name, flags }: Wanted): boolean =>
  (flags & O.TMPFILE) !== 0 || (kindOf(ghost.entry.mode) === S_IF.REG && baseOf(name) === `#${ghost.entry.ino}`)

/**
 * Lays out how deleted files are made again. A folder that is gone is made for those that were in it, and is the folder itself when it was
 * open too. Looks at paths, and changes nothing.
 *
 * @param pid of the tool, for names that nobody else has   @param isThere whether a path leads to anything
 */
export function planGhosts(
  wanted: readonly Wanted[],
  pid: number,
  isThere = (path: string): boolean => statPath(path, false) !== null,
): GhostPlan {
  const folders = new Set<string>()
  const isFolder = ({ ghost }: { ghost: Ghost }): boolean => kindOf(ghost.entry.mode) === S_IF.DIR
  for (const { name } of wanted)
    for (let folder = folderOf(name); folder !== "/" && !isThere(folder); folder = folderOf(folder)) folders.add(folder)
  const owned = new Map<string, number>()
  for (const { ghost, name } of wanted.filter(isFolder))
    if (!isThere(name) && !owned.has(name)) {
      owned.set(name, ghost.number)
      folders.add(name)
    }
  const makings = [...Map.groupBy(wanted, ({ ghost }) => ghost.number).values()].flatMap((users): Making[] => {
    const [first] = users
    if (!first) return []
    const { ghost, name } = first
    return [
      {
        ghost,
        name,
        aside: stepAside(name, pid, ghost.number),
        unnamed: users.some(wasUnnamed) ? folderOf(name) : undefined,
        isThere: owned.get(name) === ghost.number,
      },
    ]
  })
  const outerFirst = [...folders].sort()
  const ours = makings.filter((making) => !making.isThere)
  const free = new Set(
    ours.filter(({ name, unnamed }) => unnamed === undefined && !isThere(name) && !folders.has(name)).map(({ name }) => name),
  )
  return {
    folders: outerFirst,
    makings,
    names: [
      ...ours.map((making) => [making.aside, isFolder(making)] as const),
      ...[...free].map((name) => [name, ours.some((making) => making.name === name && isFolder(making))] as const),
      ...outerFirst.toReversed().map((folder) => [folder, true] as const),
    ],
  }
}
