// Made from proto/stats.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** What a dump took. */
export interface dump_stats_entry {
  freezing_time: number
  frozen_time: number
  memdump_time: number
  memwrite_time: number
  pages_scanned: bigint
  pages_skipped_parent: bigint
  pages_written: bigint
  irmap_resolve?: number
  pages_lazy: bigint
  page_pipes?: bigint
  page_pipe_bufs?: bigint
  shpages_scanned?: bigint
  shpages_skipped_parent?: bigint
  shpages_written?: bigint
}
export const dump_stats_entrySchema: Schema<dump_stats_entry> = schema("dump_stats_entry", () => [
  { number: 1, name: "freezing_time", type: "uint32", label: "required" },
  { number: 2, name: "frozen_time", type: "uint32", label: "required" },
  { number: 3, name: "memdump_time", type: "uint32", label: "required" },
  { number: 4, name: "memwrite_time", type: "uint32", label: "required" },
  { number: 5, name: "pages_scanned", type: "uint64", label: "required" },
  { number: 6, name: "pages_skipped_parent", type: "uint64", label: "required" },
  { number: 7, name: "pages_written", type: "uint64", label: "required" },
  { number: 8, name: "irmap_resolve", type: "uint32", label: "optional" },
  { number: 9, name: "pages_lazy", type: "uint64", label: "required" },
  { number: 10, name: "page_pipes", type: "uint64", label: "optional" },
  { number: 11, name: "page_pipe_bufs", type: "uint64", label: "optional" },
  { number: 12, name: "shpages_scanned", type: "uint64", label: "optional" },
  { number: 13, name: "shpages_skipped_parent", type: "uint64", label: "optional" },
  { number: 14, name: "shpages_written", type: "uint64", label: "optional" },
])

/** What a restore took. */
export interface restore_stats_entry {
  pages_compared: bigint
  pages_skipped_cow: bigint
  forking_time: number
  restore_time: number
  pages_restored?: bigint
}
export const restore_stats_entrySchema: Schema<restore_stats_entry> = schema("restore_stats_entry", () => [
  { number: 1, name: "pages_compared", type: "uint64", label: "required" },
  { number: 2, name: "pages_skipped_cow", type: "uint64", label: "required" },
  { number: 3, name: "forking_time", type: "uint32", label: "required" },
  { number: 4, name: "restore_time", type: "uint32", label: "required" },
  { number: 5, name: "pages_restored", type: "uint64", label: "optional" },
])

/** stats-dump or stats-restore, one entry. */
export interface stats_entry {
  dump?: dump_stats_entry
  restore?: restore_stats_entry
}
export const stats_entrySchema: Schema<stats_entry> = schema("stats_entry", () => [
  { number: 1, name: "dump", type: "message", label: "optional", message: () => dump_stats_entrySchema },
  { number: 2, name: "restore", type: "message", label: "optional", message: () => restore_stats_entrySchema },
])
