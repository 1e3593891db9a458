// Made from proto/sk-netlink.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"
import { sk_opts_entrySchema, type sk_opts_entry } from "./sk-opts_pb.ts"

/** file_entry.nlsk. */
export interface netlink_sk_entry {
  id: number
  ino: number
  protocol: number
  state: number
  flags: number
  portid: number
  groups: number[]
  dst_portid: number
  dst_group: number
  fown: fown_entry
  opts: sk_opts_entry
  ns_id?: number
}
export const netlink_sk_entrySchema: Schema<netlink_sk_entry> = schema("netlink_sk_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ino", type: "uint32", label: "required" },
  { number: 3, name: "protocol", type: "uint32", label: "required" },
  { number: 4, name: "state", type: "uint32", label: "required" },
  { number: 6, name: "flags", type: "uint32", label: "required" },
  { number: 7, name: "portid", type: "uint32", label: "required" },
  { number: 8, name: "groups", type: "uint32", label: "repeated" },
  { number: 9, name: "dst_portid", type: "uint32", label: "required" },
  { number: 10, name: "dst_group", type: "uint32", label: "required" },
  { number: 11, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 12, name: "opts", type: "message", label: "required", message: () => sk_opts_entrySchema },
  { number: 13, name: "ns_id", type: "uint32", label: "optional" },
])
