// Made from proto/remap-file-path.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** How the file of an unusable path is brought back. */
export enum remap_type {
  LINKED = 0,
  GHOST = 1,
  PROCFS = 2,
}

/** remap-fpath.img, one entry per file. */
export interface remap_file_path_entry {
  orig_id: number
  remap_id: number
  remap_type?: remap_type
}
export const remap_file_path_entrySchema: Schema<remap_file_path_entry> = schema("remap_file_path_entry", () => [
  { number: 1, name: "orig_id", type: "uint32", label: "required" },
  { number: 2, name: "remap_id", type: "uint32", label: "required" },
  { number: 3, name: "remap_type", type: "enum", label: "optional", values: remap_type },
])
