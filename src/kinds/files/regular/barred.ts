import { O, STATX_ATTR } from "../../../../ffi/abi/file.ts"
import type { FileStat } from "../stat.ts"

/** @param flags of an open file */
export const isForWriting = (flags: number): boolean => (flags & O.ACCMODE) !== O.RDONLY && (flags & O.PATH) === 0

/** An attribute of a file, and the option of chattr(1) that takes it away. */
interface Bar {
  readonly word: string
  readonly option: string
}

/** What keeps a file that is open with these flags from being opened like that again; undefined where nothing does. Man page: chattr(1) */
export function barOn(flags: number, { attributes }: Pick<FileStat, "attributes">): Bar | undefined {
  if (!isForWriting(flags)) return undefined
  if (attributes & STATX_ATTR.IMMUTABLE) return { word: "immutable", option: "-i" }
  return attributes & STATX_ATTR.APPEND && !(flags & O.APPEND) ? { word: "append-only", option: "-a" } : undefined
}
