/** Bits of a mask: bit n of byte n / 8 is number n, as the kernel's masks of CPUs and nodes have it. */

/** "0-3,8" -> a mask of `size` bytes. Kernel: lib/vsprintf.c bitmap_list_string(), "%*pbl" */
export function parseBitList(text: string, size: number): Uint8Array {
  const mask = new Uint8Array(size)
  for (const range of text.trim().split(",")) {
    const [first = Number.NaN, last = first] = range.split("-").map(Number)
    for (let bit = first; bit <= last; bit++) mask[bit >> 3]! |= 1 << (bit & 7)
  }
  return mask
}

/** True when two masks have a bit in common. */
export const overlaps = (a: Uint8Array, b: Uint8Array): boolean => a.some((byte, index) => (byte & (b[index] ?? 0)) !== 0)
