/** Larger pieces are made new. Bytes. */
const KEPT = 1 << 20
let room = new Uint8Array(0)

/**
 * Zeros to write into, which the next call gives to others: new memory for each of many processes would cost a page fault for each of its
 * pages.
 *
 * @param length bytes
 */
export function zeros(length: number): Uint8Array {
  if (length > KEPT) return new Uint8Array(length)
  if (length > room.length) room = new Uint8Array(Math.min(KEPT, 2 * length))
  return room.subarray(0, length).fill(0)
}
