import { closeSync, openSync } from "../../ffi/fs.ts"
import { readFully } from "../base/read-fully.ts"
import { PAGE, type Range } from "../base/units.ts"
import { type PagemapKind, pagemapRuns } from "../image/pagemap.ts"
import type { ImageSet } from "../image/set.ts"
import { without } from "../kinds/memory/holes.ts"
import type { Fill } from "../kinds/memory/restore.ts"

/** Runs of pages with the file each stands in: read by the new process from descriptors that it inherits. */
export function readFills(set: ImageSet, kind: PagemapKind, id: number, skip: readonly Range[] = []): Map<string, Fill[]> {
  const byFile = new Map<string, Fill[]>()
  for (const { vaddr, pages, offset, path } of pagemapRuns(set, kind, id)) {
    const fills = byFile.get(path) ?? []
    byFile.set(path, fills)
    for (const part of without({ start: vaddr, end: vaddr + BigInt(pages) * PAGE }, skip)) {
      const length = part.end - part.start
      const at = offset + part.start - vaddr
      const last = fills.at(-1)
      // Neighbours in memory and in the file become one read.
      if (last && last.start + last.length === part.start && last.offset + last.length === at)
        fills[fills.length - 1] = { ...last, length: last.length + length }
      else fills.push({ start: part.start, length, offset: at })
    }
  }
  return byFile
}

/** Bytes of saved memory that stand behind one another. */
interface SavedBytes {
  /** Address of the first. */
  readonly start: bigint
  readonly bytes: Buffer
}

/**
 * The stored parts of a range of a process's memory, ascending.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT, E_IMAGE_MISSING of the pagemap · FileError the pages cannot be read
 */
export function* savedParts(set: ImageSet, pid: number, { start, end }: Range): Generator<SavedBytes> {
  if (!set.has("pagemap", pid)) return
  for (const { vaddr, pages, offset, path } of pagemapRuns(set, "pagemap", pid)) {
    const from = vaddr > start ? vaddr : start
    const runEnd = vaddr + BigInt(pages) * PAGE
    const to = runEnd < end ? runEnd : end
    if (from >= to) continue
    const bytes = Buffer.alloc(Number(to - from))
    const fd = openSync(path, "r")
    try {
      if (readFully(fd, bytes, Number(offset + from - vaddr)) === bytes.length) yield { start: from, bytes }
    } finally {
      closeSync(fd)
    }
  }
}

/** All bytes of a range; undefined where one is not stored. */
export function savedBytes(set: ImageSet, pid: number, range: Range): Buffer | undefined {
  const parts = [...savedParts(set, pid, range)].map(({ bytes }) => bytes)
  const whole = Buffer.concat(parts)
  return BigInt(whole.length) === range.end - range.start ? whole : undefined
}
