// Made from proto/sit.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** net_device_entry.sit. */
export interface sit_entry {
  link?: number
  local: number[]
  remote: number[]
  ttl?: number
  tos?: number
  pmtudisc?: boolean
  proto?: number
  flags?: number
  encap_type?: number
  encap_flags?: number
  encap_sport?: number
  encap_dport?: number
  rd_prefixlen?: number
  rd_prefix: number[]
  relay_prefixlen?: number
  relay_prefix: number[]
}
export const sit_entrySchema: Schema<sit_entry> = schema("sit_entry", () => [
  { number: 1, name: "link", type: "uint32", label: "optional" },
  { number: 2, name: "local", type: "uint32", label: "repeated" },
  { number: 3, name: "remote", type: "uint32", label: "repeated" },
  { number: 4, name: "ttl", type: "uint32", label: "optional" },
  { number: 5, name: "tos", type: "uint32", label: "optional" },
  { number: 6, name: "pmtudisc", type: "bool", label: "optional" },
  { number: 7, name: "proto", type: "uint32", label: "optional" },
  { number: 8, name: "flags", type: "uint32", label: "optional" },
  { number: 9, name: "encap_type", type: "uint32", label: "optional" },
  { number: 10, name: "encap_flags", type: "uint32", label: "optional" },
  { number: 11, name: "encap_sport", type: "uint32", label: "optional" },
  { number: 12, name: "encap_dport", type: "uint32", label: "optional" },
  { number: 13, name: "rd_prefixlen", type: "uint32", label: "optional" },
  { number: 14, name: "rd_prefix", type: "uint32", label: "repeated" },
  { number: 15, name: "relay_prefixlen", type: "uint32", label: "optional" },
  { number: 16, name: "relay_prefix", type: "uint32", label: "repeated" },
])
