// Made from proto/tun.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** file_entry.tunf. */
export interface tunfile_entry {
  id: number
  netdev?: string
  detached?: boolean
  ns_id?: number
}
export const tunfile_entrySchema: Schema<tunfile_entry> = schema("tunfile_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "netdev", type: "string", label: "optional" },
  { number: 3, name: "detached", type: "bool", label: "optional" },
  { number: 4, name: "ns_id", type: "uint32", label: "optional" },
])

/** net_device_entry.tun. */
export interface tun_link_entry {
  flags: number
  owner: number
  group: number
  vnethdr: number
  sndbuf: number
}
export const tun_link_entrySchema: Schema<tun_link_entry> = schema("tun_link_entry", () => [
  { number: 1, name: "flags", type: "uint32", label: "required" },
  { number: 2, name: "owner", type: "int32", label: "required" },
  { number: 3, name: "group", type: "int32", label: "required" },
  { number: 4, name: "vnethdr", type: "uint32", label: "required" },
  { number: 5, name: "sndbuf", type: "uint32", label: "required" },
])
