import { DT_GNU_HASH, DT_HASH, DT_NULL, DT_STRSZ, DT_STRTAB, DT_SYMTAB, DYN_SIZE, PT_DYNAMIC, SYM_SIZE } from "./constants.ts"
import type { Elf } from "./open.ts"
import { readView } from "./source.ts"

/** Where a symbol table and its strings stand in the source, bytes. */
export interface TablePlace {
  readonly symbols: bigint
  readonly symbolsSize: bigint
  readonly strings: bigint
  readonly stringsSize: bigint
}

/** The dynamic table: tag -> value of its first row. Empty for a static program. */
export function dynamicTags(elf: Elf): ReadonlyMap<bigint, bigint> {
  const tags = new Map<bigint, bigint>()
  const segment = elf.segments.find(({ type }) => type === PT_DYNAMIC)
  const offset = segment ? elf.placeOf(segment) : null
  const table = segment && offset !== null ? readView(elf.read, offset, segment.fileSize) : null
  for (let at = 0; table && at + DYN_SIZE <= table.byteLength; at += DYN_SIZE) {
    const tag = table.getBigUint64(at, true)
    if (tag === DT_NULL) break
    if (!tags.has(tag)) tags.set(tag, table.getBigUint64(at + 8, true))
  }
  return tags
}

/**
 * The dynamic symbol table as the loader finds it, without section headers; null when there is none. Its length is written
 * nowhere: it is nchain of DT_HASH, or follows from the last chain of DT_GNU_HASH.
 */
export function dynamicTable(elf: Elf): TablePlace | null {
  const tags = dynamicTags(elf)
  const place = (tag: bigint): bigint | null => {
    const vaddr = tags.get(tag)
    return vaddr === undefined ? null : elf.offsetOf(vaddr)
  }
  const symbols = place(DT_SYMTAB)
  const strings = place(DT_STRTAB)
  const hash = place(DT_HASH)
  const gnuHash = place(DT_GNU_HASH)
  if (symbols === null || strings === null) return null
  const count = (hash === null ? null : hashCount(elf, hash)) ?? (gnuHash === null ? null : gnuCount(elf, gnuHash))
  return count === null ? null : { symbols, symbolsSize: BigInt(count * SYM_SIZE), strings, stringsSize: tags.get(DT_STRSZ) ?? 0n }
}

/** u32 nbucket, nchain; one chain word a symbol. */
const hashCount = ({ read }: Elf, offset: bigint): number | null => readView(read, offset, 8)?.getUint32(4, true) ?? null

/** Words of a hash chain read at once. */
const CHAIN = 1024

/** u32 nbuckets, symoffset, bloom words (8 bytes each), shift; bloom; buckets; chains whose last word has bit 0 set. */
function gnuCount(elf: Elf, offset: bigint): number | null {
  const head = readView(elf.read, offset, 16)
  if (!head) return null
  const bucketCount = head.getUint32(0, true)
  const firstHashed = head.getUint32(4, true)
  const bucketsAt = offset + 16n + BigInt(head.getUint32(8, true)) * 8n
  const buckets = readView(elf.read, bucketsAt, bucketCount * 4)
  if (!buckets) return null
  let last = 0
  for (let at = 0; at < buckets.byteLength; at += 4) last = Math.max(last, buckets.getUint32(at, true))
  if (last < firstHashed) return firstHashed
  const chains = Number(bucketsAt + BigInt(bucketCount) * 4n)
  for (;;) {
    const bytes = elf.read(chains + (last - firstHashed) * 4, CHAIN * 4)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at + 4 <= bytes.byteLength; at += 4, last++) if (view.getUint32(at, true) & 1) return last + 1
    if (bytes.byteLength < CHAIN * 4) return null
  }
}
