// Made from proto/fh.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Words that fh_entry.handle always carries; only fh_entry.bytes of them are valid. */
export enum fh_entry_sizes {
  min_entries = 16,
}

/** struct file_handle, and the path found at dump. */
export interface fh_entry {
  bytes: number
  type: number
  handle: bigint[]
  path?: string
  mnt_id?: number
}
export const fh_entrySchema: Schema<fh_entry> = schema("fh_entry", () => [
  { number: 1, name: "bytes", type: "uint32", label: "required" },
  { number: 2, name: "type", type: "uint32", label: "required" },
  { number: 3, name: "handle", type: "uint64", label: "repeated" },
  { number: 4, name: "path", type: "string", label: "optional" },
  { number: 5, name: "mnt_id", type: "uint32", label: "optional" },
])

/** irmap-cache, one entry per inode. */
export interface irmap_cache_entry {
  dev: number
  inode: bigint
  path: string
}
export const irmap_cache_entrySchema: Schema<irmap_cache_entry> = schema("irmap_cache_entry", () => [
  { number: 1, name: "dev", type: "uint32", label: "required" },
  { number: 2, name: "inode", type: "uint64", label: "required" },
  { number: 3, name: "path", type: "string", label: "required" },
])
