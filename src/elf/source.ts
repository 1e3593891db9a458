/**
 * Reads `length` bytes at `offset` of an ELF file, or fewer where it ends. Bytes that cannot be read are left out, not thrown
 * about; whatever it throws nevertheless goes through.
 */
export type ReadAt = (offset: number, length: number) => Uint8Array

/** Largest table that is read, bytes: above any real symbol table, below what would exhaust memory. */
const LIMIT = 512 * 1024 * 1024

/** An image in memory as a source, e.g. a vdso or a file read whole. */
export const bytesSource =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length)

/** Exactly `length` bytes as a view, or null when any of them is missing or the numbers are nonsense. */
export function readView(read: ReadAt, offset: bigint | number, length: bigint | number): DataView | null {
  const from = Number(offset)
  const count = Number(length)
  if (!Number.isSafeInteger(from + count) || from < 0 || count < 0 || count > LIMIT) return null
  // A damaged header may ask for much more than there is: look at the last byte before room for all is made.
  if (count > 65536 && read(from + count - 1, 1).length !== 1) return null
  const bytes = read(from, count)
  return bytes.length === count ? new DataView(bytes.buffer, bytes.byteOffset, count) : null
}

/** The NUL-ended string at `offset` of a string table; "" when it lies outside. Bytes that are not UTF-8 become U+FFFD. */
export function stringAt(table: Uint8Array, offset: number): string {
  if (offset >= table.length) return ""
  const text = table.subarray(offset, offset + NAME_LIMIT)
  const end = text.indexOf(0)
  return decoder.decode(end < 0 ? text : text.subarray(0, end))
}
/** Bytes; longer than any mangled name, so that a damaged table without a NUL does not cost its length for each name. */
const NAME_LIMIT = 32768
const decoder = new TextDecoder()
