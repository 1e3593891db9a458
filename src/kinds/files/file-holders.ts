import { O, S_IF } from "../../../ffi/abi/file.ts"
import { listProcesses } from "../../proc/tasks.ts"
import type { Found } from "./kind.ts"
import { descends, descriptorsOf } from "./outside.ts"
import { type FileStat, kindOf, statPath } from "./stat.ts"

/** What tells a file in a file system from all others. */
export const inodeKey = ({ dev, ino }: Pick<FileStat, "dev" | "ino">): string => `${dev}:${ino}`

/** A deleted file that has a place in a file system: memory files have none. */
export const isDeleted = ({ target, stat }: Pick<Found, "target" | "stat">): boolean =>
  stat.nlink === 0 && target.startsWith("/") && !target.startsWith("/memfd:")

/**
 * A task outside the dump for each FIFO and deleted file that one has open, whatever name it was opened by. Looks at every open file with a
 * path of the machine where `all` has any of them.
 */
export function findFileHolders(inside: ReadonlySet<number>, all: readonly Found[]): Map<string, number> {
  const holders = new Map<string, number>()
  const isFifo = ({ target, stat, flags }: Found): boolean =>
    target.startsWith("/") && kindOf(stat.mode) === S_IF.IFO && (flags & O.PATH) === 0
  const wanted = new Set(all.filter((found) => isFifo(found) || isDeleted(found)).map(({ stat }) => inodeKey(stat)))
  if (wanted.size === 0) return holders
  for (const other of listProcesses()) {
    if (inside.has(other)) continue
    const keys = descriptorsOf(other).flatMap(({ fd, target }) => {
      const stat = target.startsWith("/") ? statPath(`/proc/${other}/fd/${fd}`, true) : null
      return stat && wanted.has(inodeKey(stat)) ? [inodeKey(stat)] : []
    })
    if (keys.length > 0 && !descends(other, inside)) for (const key of keys) holders.set(key, other)
  }
  return holders
}
