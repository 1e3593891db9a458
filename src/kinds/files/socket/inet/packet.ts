import { IPPROTO } from "../../../../../ffi/abi/socket.ts"
import type { Ends } from "./table.ts"

/** Flags of a segment. RFC 9293 */
export const TH = { FIN: 1, ACK: 16 } as const
const [TCP_HEADER, DATA_OFFSET, CHECKSUM_AT] = [20, 5 << 4, 16]
const HOPS = 64

/** The Internet checksum. RFC 1071 */
function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** An empty segment as its sender would have made it, with its header of IPv4 or IPv6. */
export function makeSegment(
  { source, sourcePort, target, targetPort }: Ends,
  sequence: number,
  acknowledged: number,
  flags: number,
  window: number,
): Uint8Array {
  const segment = new Uint8Array(TCP_HEADER)
  const view = new DataView(segment.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, targetPort)
  view.setUint32(4, sequence >>> 0)
  view.setUint32(8, acknowledged >>> 0)
  view.setUint8(12, DATA_OFFSET)
  view.setUint8(13, flags)
  view.setUint16(14, window)
  // Lengths below 256, so that both families' pseudo headers sum up alike.
  const pseudo = Uint8Array.of(...source, ...target, 0, IPPROTO.TCP, 0, TCP_HEADER, ...segment)
  view.setUint16(CHECKSUM_AT, checksum(pseudo))
  if (source.length === 16) return Uint8Array.of(0x60, 0, 0, 0, 0, TCP_HEADER, IPPROTO.TCP, HOPS, ...source, ...target, ...segment)
  const head = Uint8Array.of(0x45, 0, 0, 20 + TCP_HEADER, 0, 0, 0, 0, HOPS, IPPROTO.TCP, 0, 0, ...source, ...target)
  return Uint8Array.of(...head, ...segment)
}
