// Made from proto/tcp-stream.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** SOL_TCP options. */
export interface tcp_opts_entry {
  cork?: boolean
  nodelay?: boolean
  keepcnt?: number
  keepidle?: number
  keepintvl?: number
}
export const tcp_opts_entrySchema: Schema<tcp_opts_entry> = schema("tcp_opts_entry", () => [
  { number: 1, name: "cork", type: "bool", label: "optional" },
  { number: 2, name: "nodelay", type: "bool", label: "optional" },
  { number: 3, name: "keepcnt", type: "uint32", label: "optional" },
  { number: 4, name: "keepidle", type: "uint32", label: "optional" },
  { number: 5, name: "keepintvl", type: "uint32", label: "optional" },
])

/** tcp-stream-%x.img, one entry. */
export interface tcp_stream_entry {
  inq_len: number
  inq_seq: number
  outq_len: number
  outq_seq: number
  opt_mask: number
  snd_wscale: number
  mss_clamp: number
  rcv_wscale?: number
  timestamp?: number
  cork?: boolean
  nodelay?: boolean
  unsq_len?: number
  snd_wl1?: number
  snd_wnd?: number
  max_window?: number
  rcv_wnd?: number
  rcv_wup?: number
}
export const tcp_stream_entrySchema: Schema<tcp_stream_entry> = schema("tcp_stream_entry", () => [
  { number: 1, name: "inq_len", type: "uint32", label: "required" },
  { number: 2, name: "inq_seq", type: "uint32", label: "required" },
  { number: 3, name: "outq_len", type: "uint32", label: "required" },
  { number: 4, name: "outq_seq", type: "uint32", label: "required" },
  { number: 5, name: "opt_mask", type: "uint32", label: "required" },
  { number: 6, name: "snd_wscale", type: "uint32", label: "required" },
  { number: 7, name: "mss_clamp", type: "uint32", label: "required" },
  { number: 8, name: "rcv_wscale", type: "uint32", label: "optional" },
  { number: 9, name: "timestamp", type: "uint32", label: "optional" },
  { number: 10, name: "cork", type: "bool", label: "optional" },
  { number: 11, name: "nodelay", type: "bool", label: "optional" },
  { number: 12, name: "unsq_len", type: "uint32", label: "optional" },
  { number: 13, name: "snd_wl1", type: "uint32", label: "optional" },
  { number: 14, name: "snd_wnd", type: "uint32", label: "optional" },
  { number: 15, name: "max_window", type: "uint32", label: "optional" },
  { number: 16, name: "rcv_wnd", type: "uint32", label: "optional" },
  { number: 17, name: "rcv_wup", type: "uint32", label: "optional" },
])
