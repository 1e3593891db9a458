// Made from proto/sk-opts.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Halves of a socket that were shut down. */
export enum sk_shutdown {
  NONE = 0,
  READ = 1,
  WRITE = 2,
  BOTH = 3,
}

/** SOL_SOCKET options. */
export interface sk_opts_entry {
  so_sndbuf: number
  so_rcvbuf: number
  so_snd_tmo_sec: bigint
  so_snd_tmo_usec: bigint
  so_rcv_tmo_sec: bigint
  so_rcv_tmo_usec: bigint
  reuseaddr?: boolean
  so_priority?: number
  so_rcvlowat?: number
  so_mark?: number
  so_passcred?: boolean
  so_passsec?: boolean
  so_dontroute?: boolean
  so_no_check?: boolean
  so_bound_dev?: string
  so_filter: bigint[]
  so_reuseport?: boolean
  so_broadcast?: boolean
  so_keepalive?: boolean
  tcp_keepcnt?: number
  tcp_keepidle?: number
  tcp_keepintvl?: number
  so_oobinline?: number
  so_linger?: number
  so_buf_lock?: number
}
export const sk_opts_entrySchema: Schema<sk_opts_entry> = schema("sk_opts_entry", () => [
  { number: 1, name: "so_sndbuf", type: "uint32", label: "required" },
  { number: 2, name: "so_rcvbuf", type: "uint32", label: "required" },
  { number: 3, name: "so_snd_tmo_sec", type: "uint64", label: "required" },
  { number: 4, name: "so_snd_tmo_usec", type: "uint64", label: "required" },
  { number: 5, name: "so_rcv_tmo_sec", type: "uint64", label: "required" },
  { number: 6, name: "so_rcv_tmo_usec", type: "uint64", label: "required" },
  { number: 7, name: "reuseaddr", type: "bool", label: "optional" },
  { number: 8, name: "so_priority", type: "uint32", label: "optional" },
  { number: 9, name: "so_rcvlowat", type: "uint32", label: "optional" },
  { number: 10, name: "so_mark", type: "uint32", label: "optional" },
  { number: 11, name: "so_passcred", type: "bool", label: "optional" },
  { number: 12, name: "so_passsec", type: "bool", label: "optional" },
  { number: 13, name: "so_dontroute", type: "bool", label: "optional" },
  { number: 14, name: "so_no_check", type: "bool", label: "optional" },
  { number: 15, name: "so_bound_dev", type: "string", label: "optional" },
  { number: 16, name: "so_filter", type: "fixed64", label: "repeated" },
  { number: 17, name: "so_reuseport", type: "bool", label: "optional" },
  { number: 18, name: "so_broadcast", type: "bool", label: "optional" },
  { number: 19, name: "so_keepalive", type: "bool", label: "optional" },
  { number: 20, name: "tcp_keepcnt", type: "uint32", label: "optional" },
  { number: 21, name: "tcp_keepidle", type: "uint32", label: "optional" },
  { number: 22, name: "tcp_keepintvl", type: "uint32", label: "optional" },
  { number: 23, name: "so_oobinline", type: "uint32", label: "optional" },
  { number: 24, name: "so_linger", type: "uint32", label: "optional" },
  { number: 25, name: "so_buf_lock", type: "uint32", label: "optional" },
])
