import type { bpfmap_data_entry } from "../../../proto/gen/bpfmap-data_pb.ts"
import type { pipe_data_entry } from "../../../proto/gen/pipe-data_pb.ts"
import type { sk_packet_entry } from "../../../proto/gen/sk-packet_pb.ts"

/** A pipe's content: a message and the bytes behind it, as pipes-data.img wants them. */
export interface PipeData {
  readonly message: pipe_data_entry
  readonly payload: Uint8Array
}

/** A message in a socket's queue and the bytes behind it, as sk-queues.img wants them. */
export interface SocketData {
  readonly message: sk_packet_entry
  readonly payload: Uint8Array
}

/** What is in a BPF map: a message and the bytes behind it, keys first, as bpfmap-data.img wants them. */
export interface BpfMapData {
  readonly message: bpfmap_data_entry
  readonly payload: Uint8Array
}
