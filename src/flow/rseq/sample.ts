import type { RseqPlace } from "./place.ts"
import type { RseqRow } from "./row.ts"

/** How often a thread was met in one class, and where that is a section, in which one. */
export interface RseqCount {
  readonly tid: number
  readonly name: string
  readonly class: string
  /** Start of the section; null for classes that are in none. */
  readonly section: RseqPlace | null
  readonly count: number
  /** Samples in which the thread existed. */
  readonly of: number
}

const IN_SECTION: readonly string[] = ["abortable", "no-restart", "malformed"]

/** Counts samples by thread, class and section: threads ascending, the most frequent first. */
export function countSamples(samples: readonly (readonly RseqRow[])[]): RseqCount[] {
  const counts = new Map<string, RseqCount>()
  const present = new Map<number, number>()
  for (const { tid, name, class: kind, section: found } of samples.flat()) {
    const section = found && IN_SECTION.includes(kind) ? found.start : null
    const key = `${tid} ${kind} ${section?.address ?? ""}`
    counts.set(key, { tid, name, class: kind, section, count: (counts.get(key)?.count ?? 0) + 1, of: 0 })
    present.set(tid, (present.get(tid) ?? 0) + 1)
  }
  return [...counts.values()]
    .map((count) => ({ ...count, of: present.get(count.tid) ?? 0 }))
    .sort((a, b) => a.tid - b.tid || b.count - a.count)
}
