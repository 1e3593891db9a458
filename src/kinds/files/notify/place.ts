import type { FileHandle } from "../../../proc/notify.ts"
import { readLinkIfAlive } from "../../../proc/source.ts"
import type { Found, Reason, Surveying } from "../kind.ts"
import { type FileStat, sameFile, statDescriptor, statPath } from "../stat.ts"
import type { Handles } from "./handle.ts"
import { searchWatched } from "./search.ts"

/** What is watched, as the kernel tells it. */
export interface Watched {
  /** Device of the file system in the kernel's form. */
  readonly sdev: number
  readonly ino: bigint
  readonly handle: FileHandle | null
}

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
  let known: Map<string, Found[]> | undefined
  return (dev, ino) => {
    known ??= Map.groupBy(all, ({ stat }) => `${stat.dev}:${stat.ino}`)
    return known.get(`${dev}:${ino}`) ?? []
  }
}

/** What of the tree has a file open. */
export type Openers = Pick<Surveying, "openers" | "holders">

/** True for a file that is the directory or the program of a process: a deleted one is kept with it. */
const isUsed = (dev: number, ino: bigint, { holders }: Openers): boolean =>
  holders.some(({ pid }) =>
    ["cwd", "root", "exe"].some((name) => {
      const stat = statPath(`/proc/${pid}/${name}`, true)
      return stat?.ino === ino && stat.dev === dev
    }),
  )

/** Where watched files were when they were looked for: a dump looks several times, and last in the freeze. */
const found = new Map<string, { readonly path: string; readonly dev: number }>()

/** The path that led to a file before, if it still does: while it is watched, its number is no other file's. */
function foundBefore({ sdev, ino }: Watched): string | undefined {
  const before = found.get(`${sdev}:${ino}`)
  const stat = before && statPath(before.path, false)
  return stat?.ino === ino && stat.dev === before?.dev ? before.path : undefined
}

/** @param what the watch, for messages: "a watch" */
export function placeWatched(watched: Watched, what: string, handles: Handles, tree: Openers): WatchPlace | Reason {
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
    found.set(`${sdev}:${ino}`, { path: seen.path, dev: seen.stat.dev })
    return { path: seen.path }
  }
  const dev = seen?.stat.dev ?? sdev
  const opener = tree.openers(dev, ino).find(isKept)
  const named = opener && pathOf(opener.target, opener.stat)
  if (named !== undefined) return { path: named }
  const searched = seen || opener?.stat.nlink === 0 ? undefined : searchWatched(sdev, ino, handles.mounts, tree.holders)
  if (searched !== undefined) {
    found.set(`${sdev}:${ino}`, { path: searched, dev })
    return { path: searched }
  }
  // A deleted file is kept with the descriptor that leads to it; one that lost a name is found by its handle, which it keeps.
  if (opener?.stat.nlink === 0 || (seen && seen.stat.nlink > 0) || isUsed(dev, ino, tree)) return {}
  if (seen)
    return {
      what: `${what} on a deleted file (inode ${ino}) that only a process outside has open`,
      remedy: "Let the program stop watching it, or open it itself, before the dump",
    }
  const where = `inode ${ino} of device ${sdev >>> 20}:${sdev & 0xfffff}`
  if (handles.denied)
    return { what: `${what} on ${where}, which cannot be looked up`, remedy: "Run stasis as root, or with CAP_DAC_READ_SEARCH" }
  return {
    what: `${what} on ${where}, which its file system opens by no handle`,
    remedy: "Let the program have what it watches open as well, or stop watching it before the dump",
  }
}

/** What only a message in a socket's queue leads to is nobody's descriptor. */
const isKept = ({ pid }: Found): boolean => pid !== process.pid
