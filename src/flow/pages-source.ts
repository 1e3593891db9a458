import { closeSync, openSync } from "../../ffi/fs.ts"
import type { SegmentPages } from "./birth.ts"
import type { ServiceDescriptors } from "./descriptors.ts"
import type { Fills } from "./inherit.ts"

/** Files of pages, each opened once and inherited by all new processes. Disposal closes the tool's own. */
export interface PagesSource extends Disposable {
  /** Parts of memory by the inherited descriptor that they are read from. */
  of(fills: Fills): SegmentPages[]
}

/** Files are opened as parts of them are asked for. */
export function openPagesSource(services: Pick<ServiceDescriptors, "share">): PagesSource {
  const numbers = new Map<string, number>()
  const opened: number[] = []
  const numberOf = (path: string): number =>
    numbers.getOrInsertComputed(path, () => {
      const fd = openSync(path, "r")
      opened.push(fd)
      return services.share(fd)
    })
  return {
    of: (fills) => [...fills].map(([path, parts]) => ({ fd: numberOf(path), fills: parts })),
    [Symbol.dispose]() {
      for (const fd of opened) closeSync(fd)
    },
  }
}
