import { dirname } from "node:path"
import { S_IF } from "../../../../ffi/abi/file.ts"
import { readdirSync } from "../../../../ffi/fs.ts"
import type { Mount } from "../../../proc/mountinfo.ts"
import { readLinkIfAlive } from "../../../proc/source.ts"
import type { Holder } from "../kind.ts"
import { statPath } from "../stat.ts"
import { isInSight, sdevOf } from "./handle.ts"

/** Types of file systems whose handles nobody can open, although their files have names: of containers. Kernel: fs/overlayfs/export.c */
const SEARCHED: ReadonlySet<string> = new Set(["overlay"])

/** Names that are looked at for one file, at most: 0.2 s. */
const MOST = 50_000

/** Names below directories of one file system, the nearest first. */
function* below(starts: readonly string[], sdev: number): Generator<{ readonly path: string; readonly ino: bigint }> {
  const seen = new Set<string>()
  const folders: string[] = []
  const enter = (path: string): { ino: bigint } | undefined => {
    const stat = statPath(path, false)
    if (!stat || stat.dev !== sdev) return undefined
    if ((stat.mode & S_IF.MT) === S_IF.DIR && !seen.has(`${stat.ino}`)) {
      seen.add(`${stat.ino}`)
      folders.push(path)
    }
    return stat
  }
  for (const path of starts) {
    const stat = enter(path)
    if (stat) yield { path, ino: stat.ino }
  }
  for (const folder of folders)
    for (const name of namesIn(folder)) {
      const path = folder === "/" ? `/${name}` : `${folder}/${name}`
      const stat = enter(path)
      if (stat) yield { path, ino: stat.ino }
    }
}

/** A directory that is gone by now has no names. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Directories that processes are in, and those of their programs. */
const usedBy = (holders: readonly Holder[]): string[] =>
  holders.flatMap(({ pid }) => {
    const [cwd, exe] = [readLinkIfAlive(`/proc/${pid}/cwd`), readLinkIfAlive(`/proc/${pid}/exe`)]
    return [...(cwd?.startsWith("/") ? [cwd] : []), ...(exe?.startsWith("/") ? [dirname(exe)] : [])]
  })

/**
 * The path of a watched file by its number, where its file system opens no handles: searched from the directories that the tree uses, and from
 * where the file system is mounted, the nearest first. While a file is watched, its number is no other one's.
 *
 * @param sdev device of the file system in the kernel's form
 * @returns undefined when it is not among the first names, or the file system is none that is searched
 */
export function searchWatched(sdev: number, ino: bigint, mounts: readonly Mount[], holders: readonly Holder[]): string | undefined {
  const places = mounts.filter((mount) => SEARCHED.has(mount.type) && sdevOf(mount) === sdev && isInSight(mount))
  if (places.length === 0) return undefined
  let left = MOST
  for (const { path, ino: found } of below([...usedBy(holders), ...places.map(({ point }) => point)], sdev)) {
    if (found === ino) return path
    if (--left === 0) return undefined
  }
  return undefined
}
