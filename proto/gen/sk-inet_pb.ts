// Made from proto/sk-inet.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"
import { sk_opts_entrySchema, sk_shutdown, type sk_opts_entry } from "./sk-opts_pb.ts"
import { tcp_opts_entrySchema, type tcp_opts_entry } from "./tcp-stream_pb.ts"

/** Options of raw sockets. */
export interface ip_opts_raw_entry {
  hdrincl?: boolean
  nodefrag?: boolean
  checksum?: boolean
  icmpv_filter: number[]
}
export const ip_opts_raw_entrySchema: Schema<ip_opts_raw_entry> = schema("ip_opts_raw_entry", () => [
  { number: 1, name: "hdrincl", type: "bool", label: "optional" },
  { number: 2, name: "nodefrag", type: "bool", label: "optional" },
  { number: 3, name: "checksum", type: "bool", label: "optional" },
  { number: 4, name: "icmpv_filter", type: "uint32", label: "repeated" },
])

/** SOL_IP and SOL_IPV6 options. */
export interface ip_opts_entry {
  freebind?: boolean
  raw?: ip_opts_raw_entry
  pktinfo?: boolean
  tos?: number
  ttl?: number
}
export const ip_opts_entrySchema: Schema<ip_opts_entry> = schema("ip_opts_entry", () => [
  { number: 1, name: "freebind", type: "bool", label: "optional" },
  { number: 4, name: "raw", type: "message", label: "optional", message: () => ip_opts_raw_entrySchema },
  { number: 5, name: "pktinfo", type: "bool", label: "optional" },
  { number: 6, name: "tos", type: "uint32", label: "optional" },
  { number: 7, name: "ttl", type: "uint32", label: "optional" },
])

/** file_entry.isk. Addresses: network-order bytes as words; ports in host order. */
export interface inet_sk_entry {
  id: number
  ino: number
  family: number
  type: number
  proto: number
  state: number
  src_port: number
  dst_port: number
  flags: number
  backlog: number
  src_addr: number[]
  dst_addr: number[]
  fown: fown_entry
  opts: sk_opts_entry
  v6only?: boolean
  ip_opts?: ip_opts_entry
  ifname?: string
  ns_id?: number
  shutdown?: sk_shutdown
  tcp_opts?: tcp_opts_entry
}
export const inet_sk_entrySchema: Schema<inet_sk_entry> = schema("inet_sk_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ino", type: "uint32", label: "required" },
  { number: 3, name: "family", type: "uint32", label: "required" },
  { number: 4, name: "type", type: "uint32", label: "required" },
  { number: 5, name: "proto", type: "uint32", label: "required" },
  { number: 6, name: "state", type: "uint32", label: "required" },
  { number: 7, name: "src_port", type: "uint32", label: "required" },
  { number: 8, name: "dst_port", type: "uint32", label: "required" },
  { number: 9, name: "flags", type: "uint32", label: "required" },
  { number: 10, name: "backlog", type: "uint32", label: "required" },
  { number: 11, name: "src_addr", type: "uint32", label: "repeated" },
  { number: 12, name: "dst_addr", type: "uint32", label: "repeated" },
  { number: 13, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 14, name: "opts", type: "message", label: "required", message: () => sk_opts_entrySchema },
  { number: 15, name: "v6only", type: "bool", label: "optional" },
  { number: 16, name: "ip_opts", type: "message", label: "optional", message: () => ip_opts_entrySchema },
  { number: 17, name: "ifname", type: "string", label: "optional" },
  { number: 18, name: "ns_id", type: "uint32", label: "optional" },
  { number: 19, name: "shutdown", type: "enum", label: "optional", values: sk_shutdown },
  { number: 20, name: "tcp_opts", type: "message", label: "optional", message: () => tcp_opts_entrySchema },
])
