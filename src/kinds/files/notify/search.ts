import { O, S_IF } from "../../../../ffi/abi/file.ts"
import { IN } from "../../../../ffi/abi/notify.ts"
import { closeSync, readdirSync } from "../../../../ffi/fs.ts"
import { attempt, isFailure, SyscallError } from "../../../../ffi/syscall.ts"
import { logger } from "../../../base/log.ts"
import { readFdInfo } from "../../../proc/fdinfo.ts"
import { deviceOf } from "../../../proc/mountinfo.ts"
import type { FileHandle } from "../../../proc/notify.ts"
import { inotifyWatches } from "../../../proc/notify.ts"
import { readLinkIfAlive } from "../../../proc/source.ts"
import type { Insider } from "../collecting.ts"
import { folderOf, layPath } from "../path.ts"
import { type FileStat, kindOf, statPath } from "../stat.ts"
import { findSystems } from "../system.ts"
import { type Handles, isInSight } from "./handle.ts"

const log = logger("notify")

/** What is watched, as the kernel tells it. */
export interface Watched {
  /** Device of the file system in the kernel's form. On overlayfs and btrfs stat(2) tells another one. */
  readonly sdev: number
  readonly ino: bigint
  readonly handle: FileHandle | null
}

/** Names that are looked at for one group of watches: 1.5 s on a slow machine. */
const MOST_NAMES = 200_000

const same = (a: FileHandle | null, b: FileHandle | null): boolean =>
  a === null || b === null || (a.type === b.type && Buffer.compare(a.bytes, b.bytes) === 0)

/**
 * Whether a path leads to what is watched: the kernel tells the same of a watch of our own, which no other watch is told of.
 *
 * @param follow symbolic links, such as those of /proc
 */
export function leadsToWatched(path: string, { sdev, ino, handle }: Watched, follow: boolean): boolean {
  const fd = attempt("inotify_init1", O.CLOEXEC)
  if (isFailure(fd)) return false
  try {
    if (isFailure(attempt("inotify_add_watch", fd, layPath(path), IN.ATTRIB | (follow ? 0 : IN.DONT_FOLLOW)))) return false
    const [own] = inotifyWatches(readFdInfo(process.pid, fd))
    return own?.sdev === sdev && own.ino === ino && same(own.handle, handle)
  } finally {
    closeSync(fd)
  }
}

/** What was not found once: a dump looks several times. */
const missed = new Set<string>()
const isMissed = (watched: Watched): boolean => missed.has(keyOf(watched))

/** Looks for watched files by their names, where their file system opens no handles, as overlayfs. */
export interface Search {
  /** A path that leads to one of the group; undefined when none is found. */
  find(watched: Watched): string | undefined
}

/** @param isTold whoever watches hears of it when a directory is read: only names that are known anyway are looked at then */
export function openSearch(group: readonly Watched[], isTold: boolean, insiders: readonly Insider[], { mounts }: Handles): Search {
  const searched = new Map<number, ReadonlyMap<string, string>>()
  const search = (sdev: number): ReadonlyMap<string, string> => {
    const points = mounts.filter((mount) => deviceOf(mount) === sdev && mount.type !== "proc" && isInSight(mount)).map(({ point }) => point)
    const wanted = group.filter((watched) => watched.sdev === sdev)
    const isWalked = !isTold && !wanted.every(isMissed)
    const found = lookFor(wanted, [knownNames(insiders), ...(isWalked ? [namesBelow(sdev, points, insiders)] : [])])
    if (isWalked) for (const key of wanted.map(keyOf)) if (!found.has(key)) missed.add(key)
    return found
  }
  return { find: (watched) => searched.getOrInsertComputed(watched.sdev, search).get(keyOf(watched)) }
}

/** What tells one watched file from all others: on btrfs those of a subvolume and of its snapshot have the same numbers. */
export const keyOf = ({ sdev, ino, handle }: Watched): string => `${sdev}:${ino}:${handle ? Buffer.from(handle.bytes).toString("hex") : ""}`

type Name = readonly [path: string, stat: FileStat]

/** Paths of those that are found, by `keyOf`. */
function lookFor(wanted: readonly Watched[], sources: readonly Iterable<Name>[]): Map<string, string> {
  const found = new Map<string, string>()
  const left = Map.groupBy(wanted, ({ ino }) => ino)
  let looked = 0
  for (const names of sources)
    for (const [path, { ino }] of names) {
      if (left.size === 0 || ++looked > MOST_NAMES) return found
      const candidates = left.get(ino)
      if (!candidates) continue
      const missing = candidates.filter((watched) => !leadsToWatched(path, watched, false))
      if (missing.length === candidates.length) continue
      for (const watched of candidates) if (!missing.includes(watched)) found.set(keyOf(watched), path)
      if (missing.length > 0) left.set(ino, missing)
      else left.delete(ino)
    }
  log.debug(`${found.size} of ${wanted.length} watched files found among ${looked} names`)
  return found
}

/** Directories that a process works in, and its program. */
const homesOf = ({ pid }: Insider): string[] =>
  ["cwd", "root", "exe"].flatMap((name) => readLinkIfAlive(`/proc/${pid}/${name}`)?.match(/^\/.*/s)?.[0] ?? [])

/** These, and the directories above them. */
function* knownNames(insiders: readonly Insider[]): Generator<Name> {
  const seen = new Set<string>()
  for (const home of insiders.flatMap(homesOf))
    for (let path = home; !seen.has(path); path = folderOf(path)) {
      seen.add(path)
      const stat = look(path)
      if (stat) yield [path, stat]
    }
}

/** What stands in the same file system below some directories, those that the processes work in first; nearer names before further ones. */
function* namesBelow(sdev: number, points: readonly string[], insiders: readonly Insider[]): Generator<Name> {
  const roots = points.flatMap((point) => look(point) ?? [])
  const systems = findSystems()
  // A subvolume of btrfs has a device of its own.
  const isOurs = (path: string, { mode, dev }: FileStat): boolean =>
    kindOf(mode) === S_IF.DIR && (roots.some((root) => root.dev === dev) || systems.deviceOf(path) === sdev)
  const seen = new Set<string>()
  for (const start of [...insiders.flatMap(homesOf), ...points]) {
    const stat = look(start)
    if (!stat || !isOurs(start, stat)) continue
    yield [start, stat]
    const folders = [start]
    for (const folder of folders) {
      if (seen.has(folder)) continue
      seen.add(folder)
      for (const name of list(folder)) {
        const path = `${folder === "/" ? "" : folder}/${name}`
        const stat = look(path)
        if (!stat) continue
        yield [path, stat]
        if (isOurs(path, stat)) folders.push(path)
      }
    }
  }
}

/** What cannot be looked at is none that we search. */
function look(path: string): FileStat | undefined {
  try {
    return statPath(path, false) ?? undefined
  } catch (error) {
    if (error instanceof SyscallError) return undefined
    throw error
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // Removed or closed to us since.
    return []
  }
}
