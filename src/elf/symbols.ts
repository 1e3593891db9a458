import { SHT_DYNSYM, SHT_SYMTAB, STT_TLS, SYM_SIZE } from "./constants.ts"
import { dynamicTable, type TablePlace } from "./dynamic.ts"
import type { Elf, Section } from "./open.ts"
import { readView, stringAt } from "./source.ts"

/** One symbol. */
export interface ElfSymbol {
  readonly name: string
  /** Address, or of a TLS symbol the offset into the TLS segment. */
  readonly value: bigint
  /** Bytes; 0 = unknown. */
  readonly size: bigint
  /** STT_FUNC 2, STT_TLS 6 ... */
  readonly type: number
  /** STB_LOCAL 0, STB_GLOBAL 1, STB_WEAK 2. */
  readonly binding: number
  /** Section index; 0 = only referred to, defined elsewhere. */
  readonly section: number
}

/** The bytes of a symbol table. */
export interface SymbolTable {
  readonly count: number
  readonly rows: DataView
  readonly strings: Uint8Array
}

const EMPTY: SymbolTable = { count: 0, rows: new DataView(new ArrayBuffer(0)), strings: new Uint8Array() }
const tables = new WeakMap<Elf, { readonly full: SymbolTable; readonly dynamic: SymbolTable }>()

/** .symtab (empty when stripped) and .dynsym (from its section, else from PT_DYNAMIC). Read once per Elf. */
export function symbolTables(elf: Elf): { readonly full: SymbolTable; readonly dynamic: SymbolTable } {
  const known = tables.get(elf)
  if (known) return known
  const full = tableOf(elf, sectionPlace(elf, SHT_SYMTAB))
  const fromSection = tableOf(elf, sectionPlace(elf, SHT_DYNSYM))
  const read = { full, dynamic: fromSection.count > 0 ? fromSection : tableOf(elf, dynamicTable(elf)) }
  tables.set(elf, read)
  return read
}

/** Row `index` of a table. Precondition: 0 <= index < count */
export function symbolAt({ rows, strings }: SymbolTable, index: number): ElfSymbol {
  const at = index * SYM_SIZE
  const info = rows.getUint8(at + 4)
  return {
    name: stringAt(strings, rows.getUint32(at, true)),
    value: rows.getBigUint64(at + 8, true),
    size: rows.getBigUint64(at + 16, true),
    type: info & 15,
    binding: info >> 4,
    section: rows.getUint16(at + 6, true),
  }
}

/** All symbols of a table that are defined in this file and have a name. */
export function* definedSymbols(table: SymbolTable): Generator<ElfSymbol, void> {
  for (let index = 1; index < table.count; index++) {
    if (table.rows.getUint16(index * SYM_SIZE + 6, true) === 0) continue
    const symbol = symbolAt(table, index)
    if (symbol.name !== "") yield symbol
  }
}

/** The symbol of this exact name that this file defines, from .dynsym, then .symtab; else null. */
export function findSymbol(elf: Elf, name: string): ElfSymbol | null {
  const { dynamic, full } = symbolTables(elf)
  return findIn(dynamic, name) ?? findIn(full, name)
}

/** As `findSymbol`, of a thread-local variable: `value` is its offset into the TLS segment. */
export function findTlsSymbol(elf: Elf, name: string): ElfSymbol | null {
  const symbol = findSymbol(elf, name)
  return symbol?.type === STT_TLS ? symbol : null
}

function findIn(table: SymbolTable, name: string): ElfSymbol | null {
  const { rows, strings, count } = table
  const wanted = Buffer.from(`${name}\0`)
  const first = wanted[0]
  for (let index = 1; index < count; index++) {
    const at = rows.getUint32(index * SYM_SIZE, true)
    if (strings[at] !== first || rows.getUint16(index * SYM_SIZE + 6, true) === 0) continue
    if (wanted.every((byte, offset) => strings[at + offset] === byte)) return symbolAt(table, index)
  }
  return null
}

function sectionPlace({ sections }: Elf, type: number): TablePlace | null {
  const section: Section | undefined = sections.find((one) => one.type === type)
  const strings = section && sections[section.link]
  if (!section || !strings) return null
  return { symbols: section.offset, symbolsSize: section.size, strings: strings.offset, stringsSize: strings.size }
}

function tableOf({ read }: Elf, place: TablePlace | null): SymbolTable {
  const rows = place && readView(read, place.symbols, place.symbolsSize)
  const strings = place && readView(read, place.strings, place.stringsSize)
  if (!rows || !strings) return EMPTY
  return {
    count: Math.floor(rows.byteLength / SYM_SIZE),
    rows,
    strings: new Uint8Array(strings.buffer, strings.byteOffset, strings.byteLength),
  }
}
