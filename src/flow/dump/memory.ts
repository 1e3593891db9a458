import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import type { Range } from "../../base/units.ts"
import { collectVmas, type MappedFiles } from "../../kinds/memory/collect.ts"
import { mayHaveGuards } from "../../kinds/memory/guards.ts"
import { without } from "../../kinds/memory/holes.ts"
import { findPages, type PageRange } from "../../kinds/memory/pages.ts"
import { findStale } from "../../kinds/memory/stale.ts"
import type { MappingDetail } from "../../proc/smaps.ts"

/** What is kept of a process's memory. */
export interface CollectedMemory {
  readonly vmas: vma_entry[]
  readonly ranges: PageRange[]
  /** Areas with pages of their own that other processes have as well, ascending. */
  readonly common: readonly Range[]
}

/** Whether fork(2) or KSM has left private pages of an area to several processes. Clean ones of a file are the file's. */
const hasCommonPages = ({ shared, inode, counters }: MappingDetail): boolean =>
  !shared && (counters.sharedDirty + counters.sharedHugetlb > 0 || (inode === 0n && counters.sharedClean > 0))

/** The areas of a frozen process and the pages to store. */
export function collectMemory(pid: number, mappings: readonly MappingDetail[], files: MappedFiles): CollectedMemory {
  const areas = collectVmas(mappings, [], files)
  // Private memory is looked through for its pages.
  const rest = mappings.filter(({ shared, vmFlags }) => shared || vmFlags.has("dp"))
  const guarded = new Set(rest.filter(mayHaveGuards).map(({ start }) => start))
  const { ranges: own, guards } = findPages(pid, areas, guarded)
  const stale = mappings.flatMap((mapping) => (mapping.shared ? [] : (findStale(pid, mapping, files.lower)?.ranges ?? [])))
  const more = stale.flatMap((range) => without(range, own).map((part) => ({ ...range, ...part })))
  const ranges = more.length > 0 ? [...own, ...more].sort((a, b) => (a.start < b.start ? -1 : 1)) : own
  return { vmas: [...areas, ...collectVmas([], guards, files)], ranges, common: mappings.filter(hasCommonPages) }
}
