// Made from proto/sk-packet.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Control message in a queue: type 1 = SCM_RIGHTS, rights = ids of files.img. */
export interface scm_entry {
  type: number
  rights: number[]
}
export const scm_entrySchema: Schema<scm_entry> = schema("scm_entry", () => [
  { number: 1, name: "type", type: "uint32", label: "required" },
  { number: 2, name: "rights", type: "uint32", label: "repeated" },
])

/** One queued packet; id_for = id of the receiving socket. */
export interface sk_packet_entry {
  id_for: number
  length: number
  scm: scm_entry[]
}
export const sk_packet_entrySchema: Schema<sk_packet_entry> = schema("sk_packet_entry", () => [
  { number: 1, name: "id_for", type: "uint32", label: "required" },
  { number: 2, name: "length", type: "uint32", label: "required" },
  { number: 4, name: "scm", type: "message", label: "repeated", message: () => scm_entrySchema },
])
