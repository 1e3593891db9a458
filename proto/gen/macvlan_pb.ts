// Made from proto/macvlan.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** net_device_entry.macvlan. */
export interface macvlan_link_entry {
  mode: number
  flags?: number
}
export const macvlan_link_entrySchema: Schema<macvlan_link_entry> = schema("macvlan_link_entry", () => [
  { number: 1, name: "mode", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "optional" },
])
