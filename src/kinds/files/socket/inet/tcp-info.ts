import { IPPROTO, TCP, TCP_INFO_AT, TCP_INFO_SIZE } from "../../../../../ffi/abi/socket.ts"
import { askOption } from "../ask.ts"

/** What TCP says of itself. */
export function askTcp(fd: number): {
  readonly state: number
  /** TCPI_OPT. */
  readonly options: number
  /** The peer's window scale in the lower four bits, ours above. */
  readonly scales: number
  readonly backlog: number
} {
  const info = askOption(fd, IPPROTO.TCP, TCP.INFO, TCP_INFO_SIZE)
  if (!info) throw new Error("Unreachable: a TCP socket without TCP_INFO")
  const view = new DataView(info.buffer)
  return {
    state: view.getUint8(TCP_INFO_AT.state),
    options: view.getUint8(TCP_INFO_AT.options),
    scales: view.getUint8(TCP_INFO_AT.wscales),
    backlog: view.getUint32(TCP_INFO_AT.sacked, true),
  }
}
