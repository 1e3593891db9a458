// Made from proto/pidns.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** pidns-%u.img, one entry. */
export interface pidns_entry {
  ext_key?: string
}
export const pidns_entrySchema: Schema<pidns_entry> = schema("pidns_entry", () => [
  { number: 1, name: "ext_key", type: "string", label: "optional" },
])
