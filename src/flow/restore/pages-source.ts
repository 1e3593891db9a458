import { closeSync, openSync } from "../../../ffi/fs.ts"
import { readFailure } from "../../image/failure.ts"
import type { PagesToRead } from "../../kinds/memory/restore.ts"
import type { ServiceDescriptors } from "./descriptors.ts"
import type { Fills } from "./inherit.ts"

/** Files of pages, each opened once and inherited by all new processes; the copies for that are the service descriptors' to close. */
export interface PagesSource {
  /** Parts of memory by the inherited descriptor that they are read from. */
  of(fills: Fills): PagesToRead[]
}

function openPages(path: string): number {
  try {
    return openSync(path, "r")
  } catch (error) {
    throw readFailure(`Cannot read ${path}`, error)
  }
}

/** Files are opened as parts of them are asked for. */
export function openPagesSource(services: Pick<ServiceDescriptors, "share">): PagesSource {
  const numbers = new Map<string, number>()
  const numberOf = (path: string): number =>
    numbers.getOrInsertComputed(path, () => {
      const fd = openPages(path)
      try {
        return services.share(fd)
      } finally {
        closeSync(fd)
      }
    })
  return { of: (fills) => [...fills].map(([path, parts]) => ({ fd: numberOf(path), fills: parts })) }
}
