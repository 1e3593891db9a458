import { type Elf, openElf } from "./open.ts"
import type { ReadAt } from "./source.ts"

/** Opens each file once: `source` is asked only for a key not seen before. What is no ELF is remembered as null. */
type ElfCache = (key: string, source: () => ReadAt | null) => Elf | null

/**
 * A new cache; it lives as long as its holder. Key: whatever names the file's content for that time, e.g. "devMajor:devMinor:inode".
 * The source is kept and read later too (tables are read when asked for), so it must stay readable.
 */
export function elfCache(): ElfCache {
  const opened = new Map<string, Elf | null>()
  return (key, source) => {
    const known = opened.get(key)
    if (known !== undefined) return known
    const read = source()
    const elf = read ? openElf(read) : null
    opened.set(key, elf)
    return elf
  }
}
