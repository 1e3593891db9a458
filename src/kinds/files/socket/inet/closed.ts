import { TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { file_entry } from "../../../../../proto/gen/fdinfo_pb.ts"
import { eventsOf, POLL } from "../../poll.ts"
import { isConnection } from "./entry.ts"

/** As in an image: nothing, or both halves. */
const [OPEN, BOTH] = [0, 3]

/**
 * Which halves of a TCP socket without a connection were shut down. A connection that ended leaves both; one that never was leaves none.
 *
 * Its table does not list it any more, and asking for its error would take the error away. Kernel: net/ipv4/tcp.c tcp_poll(), tcp_done()
 */
export const closedHalves = (fd: number): number => (eventsOf(fd, POLL.RDHUP) & POLL.RDHUP ? BOTH : OPEN)

/** A connection of TCP as a new socket with its options; any other file as it is: CRIU's --tcp-close. */
export function withoutConnection(file: file_entry): file_entry {
  const { isk } = file
  if (!isk || !isConnection(isk)) return file
  const { shutdown: _, ifname: __, ...entry } = isk
  const nowhere = isk.src_addr.map(() => 0)
  return { ...file, isk: { ...entry, state: TCP_STATE.CLOSE, src_port: 0, dst_port: 0, src_addr: nowhere, dst_addr: nowhere } }
}
