// Made from proto/bpfmap-data.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** bpfmap-data.img, one entry per map. Payload: keys_bytes, then values_bytes. */
export interface bpfmap_data_entry {
  map_id: number
  keys_bytes: number
  values_bytes: number
  count: number
}
export const bpfmap_data_entrySchema: Schema<bpfmap_data_entry> = schema("bpfmap_data_entry", () => [
  { number: 1, name: "map_id", type: "uint32", label: "required" },
  { number: 2, name: "keys_bytes", type: "uint32", label: "required" },
  { number: 3, name: "values_bytes", type: "uint32", label: "required" },
  { number: 4, name: "count", type: "uint32", label: "required" },
])
