import { AF, sockaddrIn, sockaddrIn6 } from "../../../../../ffi/abi/socket.ts"
import { decode, encode } from "../../../../../ffi/layout.ts"

/** End of a connection. */
interface Address {
  /** In network order: 4 or 16 bytes. */
  readonly bytes: Uint8Array
  readonly port: number
  /** Device of a link-local address, 0 = none. */
  readonly scope: number
}

const [ADDRESS4, ADDRESS6] = [4, 8]
const LENGTH: Readonly<Record<number, number>> = { [AF.INET]: 4, [AF.INET6]: 16 }
const swapped = (port: number): number => ((port & 0xff) << 8) | (port >> 8)

/** Bytes of an address of this family. */
export const addressLength = (family: number): number => LENGTH[family] ?? 0

/** Reads what getsockname(2) gave. */
export function parseAddress(sockaddr: Uint8Array): Address {
  const view = new DataView(sockaddr.buffer, sockaddr.byteOffset)
  const port = sockaddr.length >= 4 ? view.getUint16(2) : 0
  if (view.getUint16(0, true) !== AF.INET6) return { bytes: sockaddr.slice(ADDRESS4, ADDRESS4 + 4), port, scope: 0 }
  return { bytes: sockaddr.slice(ADDRESS6, ADDRESS6 + 16), port, scope: decode(sockaddrIn6, sockaddr).sin6_scope_id }
}

/** What bind(2) and connect(2) take. */
export function sockaddrOf(family: number, { bytes, port, scope }: Address): Uint8Array {
  const isSix = family === AF.INET6
  const sockaddr = isSix
    ? encode(sockaddrIn6, { sin6_family: family, sin6_port: swapped(port), sin6_scope_id: scope })
    : encode(sockaddrIn, { sin_family: family, sin_port: swapped(port) })
  sockaddr.set(bytes, isSix ? ADDRESS6 : ADDRESS4)
  return sockaddr
}

/** An address as the images have it: words of the machine's order over bytes of the network's. */
export function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true))
}

/** Mirror: wordsOf. */
export const bytesOfWords = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer)

/** Whether an address is that of no host: 0.0.0.0 or ::. */
export const isAny = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** Address and port for people. */
export function addressText(bytes: Uint8Array, port: number): string {
  if (bytes.length === 4) return `${bytes.join(".")}:${port}`
  const words = Array.from({ length: 8 }, (_, index) => (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16))
  return `[${words.join(":").replace(/(^|:)0(:0)+(:|$)/, "::")}]:${port}`
}
