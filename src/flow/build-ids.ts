import { closeSync, openSync } from "../../ffi/fs.ts"
import { readFully } from "../base/read-fully.ts"
import { buildId } from "../elf/build-id.ts"
import { openElf } from "../elf/open.ts"
import { detailsOf, type FileStat } from "../kinds/files/stat.ts"

/** What was read already: a dump looks at its libraries before the freeze and in it. */
const known = new Map<string, number[]>()

/**
 * The GNU build ID of a regular file in the form of reg_file_entry.build_id: 4 bytes a word, in memory order, filled up with zeros.
 *
 * @param path that leads to it, in /proc too   @param stat of it
 * @returns nothing for a file that has none, is no ELF, or cannot be read
 */
export function buildIdOf(path: string, stat: FileStat): number[] {
  const modified = detailsOf(path)?.modified
  const key = `${stat.dev}:${stat.ino}:${stat.size}:${modified?.seconds}.${modified?.nanoseconds}`
  return known.getOrInsertComputed(key, () => readBuildId(path))
}

function readBuildId(path: string): number[] {
  let fd: number
  try {
    fd = openSync(path, "r")
  } catch {
    return []
  }
  try {
    const elf = openElf((offset, length) => readAt(fd, offset, length))
    return words((elf && buildId(elf)) ?? new Uint8Array(0))
  } finally {
    closeSync(fd)
  }
}

function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  return bytes.subarray(0, readFully(fd, bytes, offset))
}

function words(bytes: Uint8Array): number[] {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
  padded.set(bytes)
  const view = new DataView(padded.buffer)
  return Array.from({ length: padded.length / 4 }, (_, index) => view.getUint32(index * 4, true))
}
