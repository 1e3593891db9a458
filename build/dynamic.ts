/** The dynamic table of a program or library, as the loader reads it. Format: elf(5). */
import { DT_NULL, DT_STRSZ, DT_STRTAB, DYN_SIZE, EM_X86_64, PT_DYNAMIC } from "../src/elf/constants.ts"
import { type Elf, openElf } from "../src/elf/open.ts"
import { bytesSource, readView } from "../src/elf/source.ts"

/** Tag and value. */
export type Row = readonly [tag: bigint, value: bigint]

/** @throws Error this is no ELF file for x86-64 */
export function open(bytes: Uint8Array, what: string): Elf {
  const elf = openElf(bytesSource(bytes))
  if (elf?.machine !== EM_X86_64) throw new Error(`${what} is no ELF file for x86-64`)
  return elf
}

/** The rows up to DT_NULL. @throws Error it is linked statically */
export function rowsOf(elf: Elf): Row[] {
  const segment = elf.segments.find(({ type }) => type === PT_DYNAMIC)
  const table = segment && readView(elf.read, segment.offset, segment.fileSize)
  if (!table) throw new Error("A file that is to be linked has no dynamic table")
  const rows: Row[] = []
  for (let at = 0; at + DYN_SIZE <= table.byteLength; at += DYN_SIZE) {
    const tag = table.getBigUint64(at, true)
    if (tag === DT_NULL) break
    rows.push([tag, table.getBigUint64(at + 8, true)])
  }
  return rows
}

/** The strings that the rows name by their offsets. @throws Error there are none */
export function stringsOf(elf: Elf): Uint8Array {
  const value = (tag: bigint): bigint => rowsOf(elf).find(([found]) => found === tag)?.[1] ?? 0n
  const at = elf.offsetOf(value(DT_STRTAB))
  const view = at === null ? null : readView(elf.read, at, value(DT_STRSZ))
  if (!view) throw new Error("A file that is to be linked has no strings for its dynamic table")
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}
