import { EHDR_SIZE, EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, PHDR_SIZE, PN_XNUM, PT_LOAD, SHDR_SIZE } from "./constants.ts"
import { type ReadAt, readView, stringAt } from "./source.ts"

/** A program header. Addresses and sizes in bytes. */
export interface Segment {
  readonly type: number
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number
  readonly offset: bigint
  readonly vaddr: bigint
  readonly fileSize: bigint
  readonly memorySize: bigint
  readonly align: bigint
}

/** A section header. */
export interface Section {
  readonly name: string
  readonly type: number
  readonly flags: bigint
  readonly vaddr: bigint
  readonly offset: bigint
  readonly size: bigint
  /** Index of a related section: of a symbol table its strings. */
  readonly link: number
}

/** An opened 64-bit little-endian ELF. Tables are read when asked for, and kept. */
export interface Elf {
  readonly read: ReadAt
  /** Where a virtual address stands in `read`, or null when nothing of the file is there (e.g. .bss). */
  readonly offsetOf: (vaddr: bigint) => bigint | null
  /** Where a segment stands in `read`. */
  readonly placeOf: (segment: Segment) => bigint | null
  /** ET_EXEC 2, ET_DYN 3 ... */
  readonly type: number
  /** EM_X86_64 62, EM_AARCH64 183 ... */
  readonly machine: number
  readonly entry: bigint
  readonly segments: readonly Segment[]
  /** Empty where the file has none, was stripped of them, or they are damaged. */
  readonly sections: readonly Section[]
}

/** How the bytes lie: as in the file, or as mapped into a process. */
export interface Layout {
  /** Given when `read` shows memory from the first PT_LOAD on: the address of offset 0 in the process. */
  readonly mappedAt?: bigint
}

/**
 * Opens an ELF.
 *
 * @returns null when this is no 64-bit little-endian ELF or its head is cut off. A damaged table is treated as absent;
 *   no input makes this or a function on the result throw, hang or allocate more than the file is long.
 *
 * With `mappedAt`, sections are absent (they are not mapped; a vdso, which is mapped whole, is opened as a file).
 */
export function openElf(read: ReadAt, { mappedAt }: Layout = {}): Elf | null {
  const head = readView(read, 0, EHDR_SIZE)
  if (!head || !isElf64(head)) return null
  const sectionsAt = head.getBigUint64(40, true)
  const first = mappedAt === undefined && sectionsAt > 0n ? readView(read, sectionsAt, SHDR_SIZE) : null
  const segmentCount = head.getUint16(56, true)
  const segments = segmentsOf(read, head, segmentCount === PN_XNUM ? (first?.getUint32(44, true) ?? 0) : segmentCount)
  return {
    read,
    offsetOf: mappedAt === undefined ? (vaddr) => fileOffset(segments, vaddr) : (vaddr) => memoryOffset(segments, mappedAt, vaddr),
    placeOf: mappedAt === undefined ? ({ offset }) => offset : ({ vaddr }) => memoryOffset(segments, mappedAt, vaddr),
    type: head.getUint16(16, true),
    machine: head.getUint16(18, true),
    entry: head.getBigUint64(24, true),
    segments,
    sections: first ? sectionsOf(read, head, first) : [],
  }
}

const isElf64 = (head: DataView): boolean =>
  head.getUint32(0) === 0x7f454c46 && head.getUint8(EI_CLASS) === ELFCLASS64 && head.getUint8(EI_DATA) === ELFDATA2LSB

function segmentsOf(read: ReadAt, head: DataView, count: number): Segment[] {
  const table = head.getUint16(54, true) === PHDR_SIZE ? readView(read, head.getBigUint64(32, true), count * PHDR_SIZE) : null
  if (!table) return []
  return Array.from({ length: count }, (_, index) => {
    const word = (offset: number) => table.getBigUint64(index * PHDR_SIZE + offset, true)
    return {
      type: table.getUint32(index * PHDR_SIZE, true),
      flags: table.getUint32(index * PHDR_SIZE + 4, true),
      offset: word(8),
      vaddr: word(16),
      fileSize: word(32),
      memorySize: word(40),
      align: word(48),
    }
  })
}

function sectionsOf(read: ReadAt, head: DataView, first: DataView): Section[] {
  // Counts that do not fit into the head stand in section 0.
  const count = head.getUint16(60, true) || Number(first.getBigUint64(32, true))
  const names = head.getUint16(62, true)
  const table = head.getUint16(58, true) === SHDR_SIZE ? readView(read, head.getBigUint64(40, true), count * SHDR_SIZE) : null
  if (!table) return []
  const word = (index: number, offset: number) => table.getBigUint64(index * SHDR_SIZE + offset, true)
  const half = (index: number, offset: number) => table.getUint32(index * SHDR_SIZE + offset, true)
  const nameIndex = names === PN_XNUM ? first.getUint32(40, true) : names
  const strings = nameIndex < count ? readView(read, word(nameIndex, 24), word(nameIndex, 32)) : null
  const text = strings ? new Uint8Array(strings.buffer, strings.byteOffset, strings.byteLength) : new Uint8Array()
  return Array.from({ length: count }, (_, index) => ({
    name: stringAt(text, half(index, 0)),
    type: half(index, 4),
    flags: word(index, 8),
    vaddr: word(index, 16),
    offset: word(index, 24),
    size: word(index, 32),
    link: half(index, 40),
  }))
}

function fileOffset(segments: readonly Segment[], vaddr: bigint): bigint | null {
  const segment = segments.find(({ type, vaddr: start, fileSize }) => type === PT_LOAD && vaddr >= start && vaddr < start + fileSize)
  return segment ? vaddr - segment.vaddr + segment.offset : null
}

/**
 * PT_LOADs ascend, as the format demands. In memory glibc has turned the pointers of the dynamic table into addresses of the process;
 * others leave them alone.
 */
function memoryOffset(segments: readonly Segment[], mappedAt: bigint, vaddr: bigint): bigint | null {
  const loads = segments.filter(({ type }) => type === PT_LOAD)
  const base = loads[0]?.vaddr ?? 0n
  const last = loads.at(-1)
  const end = last ? last.vaddr + last.memorySize : base
  if (vaddr >= base && vaddr < end) return vaddr - base
  return vaddr >= mappedAt && vaddr < mappedAt + end - base ? vaddr - mappedAt : null
}
