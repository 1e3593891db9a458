import { SHF_EXECINSTR, SHN_LORESERVE, STB_LOCAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, SYM_SIZE } from "./constants.ts"
import type { Elf } from "./open.ts"
import { type ElfSymbol, type SymbolTable, symbolAt, symbolTables } from "./symbols.ts"

/** A place in code. */
interface CodePlace {
  readonly symbol: ElfSymbol
  /** Bytes from the symbol's start. */
  readonly distance: bigint
}

/** Start and size of each piece of code in one table; a row's number leads back to the symbol. */
interface CodeIndex {
  readonly table: SymbolTable
  readonly rows: Uint32Array
  readonly starts: Float64Array
  readonly sizes: Float64Array
}

const indexes = new WeakMap<Elf, readonly CodeIndex[]>()
const answers = new WeakMap<Elf, Map<bigint, CodePlace | null>>()

/**
 * The function around an address, from .symtab, then .dynsym: the nearest start whose size reaches over it, else the nearest
 * one before it if that has no size (assembly). The address of a function is itself inside; the one after its end is not.
 *
 * @param vaddr address as the file counts, see `vaddrOf`
 */
function findCode(elf: Elf, vaddr: bigint): CodePlace | null {
  const known = answers.get(elf) ?? new Map<bigint, CodePlace | null>()
  answers.set(elf, known)
  const before = known.get(vaddr)
  if (before !== undefined) return before
  const place = codeIndexes(elf).reduce<CodePlace | null>((found, index) => found ?? findIn(index, vaddr), null)
  known.set(vaddr, place)
  return place
}

/** "name+0x12", or "name" at its start; null when no function is known there. */
export function symbolize(elf: Elf, vaddr: bigint): string | null {
  const place = findCode(elf, vaddr)
  if (!place) return null
  return place.distance === 0n ? place.symbol.name : `${place.symbol.name}+0x${place.distance.toString(16)}`
}

function findIn({ table, rows, starts, sizes }: CodeIndex, vaddr: bigint): CodePlace | null {
  const address = Number(vaddr)
  let covering = -1
  let nearest = -1
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row]!
    if (start > address) continue
    if (nearest < 0 || start > starts[nearest]! || (start === starts[nearest] && sizes[row]! > sizes[nearest]!)) nearest = row
    if (
      address < start + sizes[row]! &&
      (covering < 0 || start > starts[covering]! || (start === starts[covering] && better(table, rows[row]!, rows[covering]!)))
    )
      covering = row
  }
  const best = covering >= 0 ? covering : nearest >= 0 && sizes[nearest] === 0 ? nearest : -1
  if (best < 0) return null
  const symbol = symbolAt(table, rows[best]!)
  return { symbol, distance: vaddr - symbol.value }
}

/** Of several names of one function: a global one, then the shortest ("nanosleep", not "__nanosleep"). */
function better(table: SymbolTable, row: number, than: number): boolean {
  const one = symbolAt(table, row)
  const other = symbolAt(table, than)
  if ((one.binding === STB_LOCAL) !== (other.binding === STB_LOCAL)) return other.binding === STB_LOCAL
  return one.name.length < other.name.length
}

function codeIndexes(elf: Elf): readonly CodeIndex[] {
  const known = indexes.get(elf)
  if (known) return known
  const { full, dynamic } = symbolTables(elf)
  const made = [indexOf(elf, full), indexOf(elf, dynamic)]
  indexes.set(elf, made)
  return made
}

function indexOf(elf: Elf, table: SymbolTable): CodeIndex {
  const rows: number[] = []
  for (let index = 1; index < table.count; index++) if (isCode(elf, table, index)) rows.push(index)
  const word = (offset: number) => Float64Array.from(rows, (row) => Number(table.rows.getBigUint64(row * SYM_SIZE + offset, true)))
  return { table, rows: Uint32Array.from(rows), starts: word(8), sizes: word(16) }
}

/** A function, or a plain label in executable code; not a label that the assembler made ("$x" on aarch64, ".L..."). */
function isCode({ sections }: Elf, { rows, strings }: SymbolTable, index: number): boolean {
  const section = rows.getUint16(index * SYM_SIZE + 6, true)
  if (section === 0) return false
  const type = rows.getUint8(index * SYM_SIZE + 4) & 15
  if (type === STT_FUNC || type === STT_GNU_IFUNC) return true
  if (type !== STT_NOTYPE || section >= SHN_LORESERVE) return false
  const first = strings[rows.getUint32(index * SYM_SIZE, true)]
  if (first === undefined || first === 0 || first === 0x24 || first === 0x2e) return false
  return ((sections[section]?.flags ?? 0n) & SHF_EXECINSTR) !== 0n
}
