// Made from proto/pagemap.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** First entry: which pages-%u.img the set uses. */
export interface pagemap_head {
  pages_id: number
}
export const pagemap_headSchema: Schema<pagemap_head> = schema("pagemap_head", () => [
  { number: 1, name: "pages_id", type: "uint32", label: "required" },
])

/**
 * A run of pages. vaddr in bytes (offset in the segment for shmem); flags PE_PARENT 1, PE_LAZY 2, PE_PRESENT 4; pages =
 * nr_pages, compat_nr_pages when absent.
 */
export interface pagemap_entry {
  vaddr: bigint
  compat_nr_pages: number
  in_parent?: boolean
  flags?: number
  nr_pages?: bigint
}
export const pagemap_entrySchema: Schema<pagemap_entry> = schema("pagemap_entry", () => [
  { number: 1, name: "vaddr", type: "uint64", label: "required" },
  { number: 2, name: "compat_nr_pages", type: "uint32", label: "required" },
  { number: 3, name: "in_parent", type: "bool", label: "optional" },
  { number: 4, name: "flags", type: "uint32", label: "optional" },
  { number: 5, name: "nr_pages", type: "uint64", label: "optional" },
])
