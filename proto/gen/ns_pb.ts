// Made from proto/ns.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** file_entry.nsf. */
export interface ns_file_entry {
  id: number
  ns_id: number
  ns_cflag: number
  flags: number
}
export const ns_file_entrySchema: Schema<ns_file_entry> = schema("ns_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ns_id", type: "uint32", label: "required" },
  { number: 3, name: "ns_cflag", type: "uint32", label: "required" },
  { number: 4, name: "flags", type: "uint32", label: "required" },
])
