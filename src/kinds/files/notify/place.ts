import { readLinkIfAlive } from "../../../proc/source.ts"
import type { Found, Reason, Surveying } from "../collecting.ts"
import { isNameless } from "../overlay.ts"
import { type FileStat, sameFile, statDescriptor, statPath } from "../stat.ts"
import type { Handles } from "./handle.ts"
import { keyOf, leadsToWatched, type Search, type Watched } from "./search.ts"

/** How a watched file is found again: by its handle, and by a path that leads to it where one is known; a deleted one among those kept. */
export interface WatchPlace {
  readonly path?: string
}

/** What a handle leads to, now. */
interface Seen {
  readonly stat: FileStat
  /** That leads to it; undefined when none is known. */
  readonly path: string | undefined
}

function look(fd: number, ino: bigint): Seen | undefined {
  const stat = statDescriptor(fd)
  if (stat.ino !== ino) return undefined
  return { stat, path: pathOf(readLinkIfAlive(`/proc/self/fd/${fd}`), stat) }
}

/** A link's target, if it leads to the file. */
function pathOf(target: string | null, stat: FileStat): string | undefined {
  const named = target?.startsWith("/") ? statPath(target, false) : null
  return target && named && sameFile(named, stat) ? target : undefined
}

/** Finds descriptors by what they lead to; few dumps ask. */
export function openersAmong(all: readonly Found[]): Surveying["openers"] {
  let known: Map<bigint, Found[]> | undefined
  return (ino) => {
    known ??= Map.groupBy(all, ({ stat }) => stat.ino)
    return known.get(ino) ?? []
  }
}

/** What of the tree has a file open. */
type Openers = Pick<Surveying, "openers" | "insiders">

/** Whether a link in /proc leads to what is watched. Only a look by its handle tells the device that stat(2) does. */
const isAt = (link: string, stat: FileStat, watched: Watched, seen: Seen | undefined): boolean =>
  seen ? sameFile(stat, seen.stat) : stat.ino === watched.ino && (stat.dev === watched.sdev || leadsToWatched(link, watched, true))

/** A file that is the directory or the program of a process: a deleted one is kept with it, and has no path here. */
function usedBy(watched: Watched, seen: Seen | undefined, { insiders }: Openers): WatchPlace | undefined {
  for (const { pid } of insiders)
    for (const name of ["cwd", "root", "exe"]) {
      const link = `/proc/${pid}/${name}`
      const stat = statPath(link, true)
      if (!stat || !isAt(link, stat, watched, seen)) continue
      const path = pathOf(readLinkIfAlive(link), stat)
      return path === undefined ? {} : { path }
    }
  return undefined
}

/** Where watched files were when they were looked for, by `keyOf`: a dump looks several times, and last in the freeze. */
const found = new Map<string, { readonly path: string; readonly stat: FileStat }>()

/** The path that led to a file before, if it still does: while it is watched, its number is no other file's. */
function foundBefore(watched: Watched): string | undefined {
  const before = found.get(keyOf(watched))
  const stat = before && statPath(before.path, false)
  return before && stat && sameFile(stat, before.stat) ? before.path : undefined
}

/**
 * @param what the watch, for messages: "a watch"
 * @param search for what its file system opens by no handle
 */
export function placeWatched(watched: Watched, what: string, handles: Handles, tree: Openers, search: Search): WatchPlace | Reason {
  const { sdev, ino, handle } = watched
  const before = foundBefore(watched)
  if (before !== undefined) return { path: before }
  let seen: Seen | undefined
  if (handle)
    handles.lend(sdev, handle, (fd) => {
      const now = look(fd, ino)
      seen ??= now
      if (now?.path === undefined) return undefined
      seen = now
      return seen
    })
  if (seen?.path !== undefined) {
    found.set(keyOf(watched), { path: seen.path, stat: seen.stat })
    return { path: seen.path }
  }
  const opener = tree.openers(ino).find((one) => isKept(one) && isAt(`/proc/${one.pid}/fd/${one.fd}`, one.stat, watched, seen))
  const named = opener && pathOf(opener.target, opener.stat)
  if (named !== undefined) return { path: named }
  // A deleted file is kept with the descriptor that leads to it; one that lost a name is found by its handle, which it keeps.
  const isGhost = opener && isNameless(`/proc/${opener.pid}/fd/${opener.fd}`, opener.target, opener.stat)
  if (isGhost) return {}
  const used = usedBy(watched, seen, tree)
  if (used) return used
  if (seen?.stat.nlink === 0)
    return {
      what: `${what} on a deleted file (inode ${ino}) that only a process outside has open`,
      remedy: "Let the program stop watching it, or open it itself, before the dump",
    }
  // A file system without a device of its own has another number when it is mounted again, where only a path leads to its files.
  const searched = seen && sdev >= 1 << 20 ? undefined : search.find(watched)
  const stat = searched === undefined ? null : statPath(searched, false)
  if (searched !== undefined && stat) {
    found.set(keyOf(watched), { path: searched, stat })
    return { path: searched }
  }
  if (seen) return {}
  const where = `inode ${ino} of device ${sdev >>> 20}:${sdev & 0xfffff}`
  if (handles.denied)
    return {
      what: `${what} on ${where}, which cannot be looked up, and was not found by its name`,
      remedy: "Run stasis as root, or with CAP_DAC_READ_SEARCH",
    }
  return {
    what: `${what} on ${where}, which its file system opens by no handle, and which was not found by its name`,
    remedy: "Let the program have what it watches open as well, or stop watching it before the dump",
  }
}

/** What only a message in a socket's queue leads to is nobody's descriptor. */
const isKept = ({ pid }: Found): boolean => pid !== process.pid
