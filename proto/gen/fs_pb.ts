// Made from proto/fs.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** fs-%u.img, one entry. IDs of files.img. */
export interface fs_entry {
  cwd_id: number
  root_id: number
  umask?: number
}
export const fs_entrySchema: Schema<fs_entry> = schema("fs_entry", () => [
  { number: 1, name: "cwd_id", type: "uint32", label: "required" },
  { number: 2, name: "root_id", type: "uint32", label: "required" },
  { number: 3, name: "umask", type: "uint32", label: "optional" },
])
