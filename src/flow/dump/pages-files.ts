import type { ImageTransaction, PagesFile } from "../../image/transaction.ts"
import { type MappingDetail, privateMemory } from "../../proc/smaps.ts"

/** A pages file and its number: N of pages-N.img. */
interface NumberedPages {
  readonly pagesId: number
  readonly file: Pick<PagesFile, "fill" | "truncate">
}

/** Private memory that is worth allocating beforehand, bytes. */
const WORTH_ALLOCATING = 1 << 20

/** The pages files of one dump: one for each process, one for each shared segment. */
export interface PagesFiles {
  /**
   * Makes a process's file before the freeze and takes the room it will need: done in the freeze, that would make it three times longer.
   */
  prepare(pid: number, mappings: readonly MappingDetail[]): void
  /** The file of a process. */
  take(pid: number): NumberedPages
  /** A file for something else. */
  next(): NumberedPages
  /** Removes the files of processes that were gone when the tree was frozen. */
  dropUnused(): void
}

const KIB = 1024

/** Bytes that a process will need at most, as far as smaps tells. */
const estimate = (mappings: readonly MappingDetail[]): number => privateMemory(mappings) * KIB

/** Numbers pages files from 1. */
export function openPagesFiles(images: ImageTransaction): PagesFiles {
  const prepared = new Map<number, { readonly pagesId: number; readonly file: PagesFile }>()
  let last = 0
  const next = () => {
    const pagesId = ++last
    return { pagesId, file: images.pages(pagesId) }
  }
  return {
    prepare(pid, mappings) {
      const bytes = estimate(mappings)
      if (bytes <= WORTH_ALLOCATING) return
      const made = next()
      made.file.preallocate(bytes)
      prepared.set(pid, made)
    },
    take(pid) {
      const made = prepared.get(pid)
      prepared.delete(pid)
      return made ?? next()
    },
    next,
    dropUnused() {
      for (const { file } of prepared.values()) file.discard()
      prepared.clear()
    },
  }
}
