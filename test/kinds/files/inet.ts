import { AF, IPPROTO, SOCK, TCP_STATE } from "../../../ffi/abi/socket.ts"
import type { inet_sk_entry } from "../../../proto/gen/sk-inet_pb.ts"
import type { sk_opts_entry } from "../../../proto/gen/sk-opts_pb.ts"
import { NO_OPTIONS } from "../../../src/kinds/files/socket/options.ts"
import { fown } from "./plans.ts"

export const opts: sk_opts_entry = { ...NO_OPTIONS, so_sndbuf: 16384, so_rcvbuf: 131072 }

/** A socket that listens on port 8080 of 127.0.0.1. */
export const tcp: inet_sk_entry = {
  id: 1,
  ino: 900,
  family: AF.INET,
  type: SOCK.STREAM,
  proto: IPPROTO.TCP,
  state: TCP_STATE.LISTEN,
  src_port: 8080,
  dst_port: 0,
  flags: 0o4002,
  backlog: 5,
  src_addr: [0x0100007f],
  dst_addr: [0],
  fown,
  opts,
}
