// Made from proto/packet-sock.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"
import { sk_opts_entrySchema, type sk_opts_entry } from "./sk-opts_pb.ts"

/** One multicast membership. */
export interface packet_mclist {
  index: number
  type: number
  addr: Uint8Array
}
export const packet_mclistSchema: Schema<packet_mclist> = schema("packet_mclist", () => [
  { number: 1, name: "index", type: "uint32", label: "required" },
  { number: 2, name: "type", type: "uint32", label: "required" },
  { number: 3, name: "addr", type: "bytes", label: "required" },
])

/** struct tpacket_req3. */
export interface packet_ring {
  block_size: number
  block_nr: number
  frame_size: number
  frame_nr: number
  retire_tmo: number
  sizeof_priv: number
  features: number
}
export const packet_ringSchema: Schema<packet_ring> = schema("packet_ring", () => [
  { number: 1, name: "block_size", type: "uint32", label: "required" },
  { number: 2, name: "block_nr", type: "uint32", label: "required" },
  { number: 3, name: "frame_size", type: "uint32", label: "required" },
  { number: 4, name: "frame_nr", type: "uint32", label: "required" },
  { number: 5, name: "retire_tmo", type: "uint32", label: "required" },
  { number: 6, name: "sizeof_priv", type: "uint32", label: "required" },
  { number: 7, name: "features", type: "uint32", label: "required" },
])

/** file_entry.psk. */
export interface packet_sock_entry {
  id: number
  type: number
  protocol: number
  flags: number
  ifindex: number
  fown: fown_entry
  opts: sk_opts_entry
  version: number
  reserve: number
  aux_data: boolean
  orig_dev: boolean
  vnet_hdr: boolean
  loss: boolean
  timestamp: number
  copy_thresh: number
  mclist: packet_mclist[]
  /** Absent means 4294967295. */
  fanout?: number
  rx_ring?: packet_ring
  tx_ring?: packet_ring
  ns_id?: number
}
export const packet_sock_entrySchema: Schema<packet_sock_entry> = schema("packet_sock_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "type", type: "uint32", label: "required" },
  { number: 3, name: "protocol", type: "uint32", label: "required" },
  { number: 4, name: "flags", type: "uint32", label: "required" },
  { number: 5, name: "ifindex", type: "uint32", label: "required" },
  { number: 6, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 7, name: "opts", type: "message", label: "required", message: () => sk_opts_entrySchema },
  { number: 8, name: "version", type: "uint32", label: "required" },
  { number: 9, name: "reserve", type: "uint32", label: "required" },
  { number: 10, name: "aux_data", type: "bool", label: "required" },
  { number: 11, name: "orig_dev", type: "bool", label: "required" },
  { number: 12, name: "vnet_hdr", type: "bool", label: "required" },
  { number: 13, name: "loss", type: "bool", label: "required" },
  { number: 14, name: "timestamp", type: "uint32", label: "required" },
  { number: 15, name: "copy_thresh", type: "uint32", label: "required" },
  { number: 16, name: "mclist", type: "message", label: "repeated", message: () => packet_mclistSchema },
  { number: 17, name: "fanout", type: "uint32", label: "optional", default: 4294967295 },
  { number: 18, name: "rx_ring", type: "message", label: "optional", message: () => packet_ringSchema },
  { number: 19, name: "tx_ring", type: "message", label: "optional", message: () => packet_ringSchema },
  { number: 20, name: "ns_id", type: "uint32", label: "optional" },
])
