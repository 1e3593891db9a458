// Made from proto/utsns.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** utsns-%u.img, one entry. */
export interface utsns_entry {
  nodename: string
  domainname: string
}
export const utsns_entrySchema: Schema<utsns_entry> = schema("utsns_entry", () => [
  { number: 1, name: "nodename", type: "string", label: "required" },
  { number: 2, name: "domainname", type: "string", label: "required" },
])
