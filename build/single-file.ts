/**
 * One executable out of a dynamically linked program, libc's loader and the libraries that it needs.
 *
 * The kernel maps the segments of program and loader out of the one file, as it would out of two; nothing is unpacked or copied but the
 * libraries (3 MiB). What runs first is ffi/stub/front.ARCH.S, which says what it does. The program's headers and dynamic table are the
 * loader's source of all else: the table is copied to where there is room, with a row for each library's memfd in front, so that the
 * names that stood there find those by DT_SONAME. Formats: elf(5); glibc elf/rtld.c, elf/dl-load.c.
 */
import { elfHeader, elfSegment } from "../ffi/abi/elf.ts"
import { encode, encodeInto } from "../ffi/layout.ts"
import { front } from "../ffi/stub/gen/x86_64.ts"
import { FRONT_DIGITS, FRONT_TABLE, frontLibrary, frontTable } from "../ffi/stub/record.ts"
import {
  DT_NEEDED,
  DT_STRSZ,
  DT_STRTAB,
  DYN_SIZE,
  EM_X86_64,
  ET_EXEC,
  PT_DYNAMIC,
  PT_GNU_STACK,
  PT_LOAD,
  PT_PHDR,
} from "../src/elf/constants.ts"
import type { Elf } from "../src/elf/open.ts"
import { open, rowsOf, stringsOf } from "./dynamic.ts"

const PAGE = 4096
/** What a segment may be used for: PF_R (4), PF_W (2) and PF_X (1) together. Header: elf.h */
const [READ, READ_WRITE, READ_EXECUTE] = [4, 6, 5]
/** Between the program's end and ours, and the largest alignment that a loader may ask for, bytes. */
const GAP = 1 << 21
/** What the front completes with the number of a library's memfd. */
const PATH = "/proc/self/fd/"
/** The loader's own string for the file, with the ends of it and of the one before. */
const PRELOAD = Buffer.from("\0/etc/ld.so.preload\0")

/** What goes into the file. */
export interface Parts {
  /** Linked at fixed addresses, as Bun is. */
  readonly program: Uint8Array
  /** Its interpreter. */
  readonly loader: Uint8Array
  /** All that the program and they themselves need, in the order of loading. */
  readonly libraries: readonly Uint8Array[]
}

/** A part of memory with what the file has for it. */
interface Piece {
  readonly vaddr: number
  readonly bytes: Uint8Array
  readonly flags: number
}

const up = (value: number, to: number): number => Math.ceil(value / to) * to

/** The segments that are loaded, with their zeros, `base` bytes higher. */
function pieces(bytes: Uint8Array, elf: Elf, base: number): Piece[] {
  return elf.segments.flatMap(({ type, vaddr, offset, fileSize, memorySize, flags }) => {
    if (type !== PT_LOAD) return []
    const whole = new Uint8Array(Number(memorySize))
    whole.set(bytes.subarray(Number(offset), Number(offset + fileSize)))
    return [{ vaddr: base + Number(vaddr), bytes: whole, flags }]
  })
}

const endOf = (list: readonly Piece[]): number => Math.max(...list.map(({ vaddr, bytes }) => vaddr + bytes.length))

/**
 * The loader without the host's list of libraries that every program is to load: those are another libc's.
 *
 * @throws Error there is no such name in it
 */
function withoutPreload(loader: Uint8Array): Uint8Array {
  const copy = Buffer.from(loader)
  const at = copy.indexOf(PRELOAD)
  if (at < 0 || copy.indexOf(PRELOAD, at + 1) >= 0) throw new Error("The loader does not name /etc/ld.so.preload once: it is not glibc's")
  copy[at + 1] = 0
  return copy
}

/** The program's strings with a path for each library behind them. @returns also where in them the paths stand */
function longerStrings(elf: Elf, count: number): { strings: Uint8Array; paths: number[] } {
  const own = stringsOf(elf)
  const each = PATH.length + FRONT_DIGITS
  const strings = new Uint8Array(own.length + count * each)
  strings.set(own)
  const paths = Array.from({ length: count }, (_, index) => own.length + index * each)
  for (const at of paths) strings.set(Buffer.from(PATH), at)
  return { strings, paths }
}

/** Puts the bytes of pieces into one file, each at a page of its own, behind the headers. */
function write(list: readonly Piece[], entry: number): Uint8Array {
  let offset = PAGE
  const placed = list.map((piece) => {
    const at = offset + (piece.vaddr % PAGE)
    offset = up(at + piece.bytes.length, PAGE)
    return { ...piece, at }
  })
  const file = new Uint8Array(offset)
  const head = { magic: 0x464c457f, class: 2, data: 1, version: 1, e_type: ET_EXEC, e_machine: EM_X86_64, e_version: 1 } as const
  const table = { e_phoff: elfHeader.size, e_ehsize: elfHeader.size, e_phentsize: elfSegment.size, e_phnum: list.length + 1 } as const
  file.set(encode(elfHeader, { ...head, ...table, e_entry: entry }))
  for (const [index, { vaddr, bytes, flags, at }] of placed.entries()) {
    const size = { p_filesz: bytes.length, p_memsz: bytes.length, p_align: PAGE } as const
    const row = { p_type: PT_LOAD, p_flags: flags, p_offset: at, p_vaddr: vaddr, p_paddr: vaddr, ...size }
    file.set(encode(elfSegment, row), elfHeader.size + index * elfSegment.size)
    file.set(bytes, at)
  }
  // Else the stack would be executable.
  const stack = encode(elfSegment, { p_type: PT_GNU_STACK, p_flags: READ_WRITE, p_align: 16 })
  file.set(stack, elfHeader.size + list.length * elfSegment.size)
  return file
}

/**
 * The file. Same parts, same bytes.
 *
 * @throws Error the program is not linked at fixed addresses, or the loader is not glibc's
 */
export function singleFile({ program, loader, libraries }: Parts): Uint8Array {
  const elf = open(program, "The program")
  const loaderElf = open(loader, "The loader")
  const headers = elf.segments.find(({ type }) => type === PT_PHDR)
  if (elf.type !== ET_EXEC || !headers) throw new Error("The program is not linked at fixed addresses")
  const own = pieces(program, elf, 0)
  const at = up(endOf(own), GAP)
  const tableAt = at + FRONT_TABLE
  const code = Buffer.from(front.code, "base64")
  if (code.length > FRONT_TABLE) throw new Error(`The front has ${code.length} bytes, its page ${FRONT_TABLE}`)

  const rows = rowsOf(elf)
  const { strings, paths } = longerStrings(elf, libraries.length)
  const dynamicAt = tableAt + up(frontTable.size + libraries.length * frontLibrary.size, 16)
  const dynamicSize = (paths.length + rows.length + 1) * DYN_SIZE
  const stringsAt = dynamicAt + dynamicSize
  const told = new Map([
    [DT_STRTAB, BigInt(stringsAt)],
    [DT_STRSZ, BigInt(strings.length)],
  ])
  const dynamic = [
    ...paths.map((path) => [DT_NEEDED, BigInt(path)] as const),
    ...rows.map(([tag, value]) => [tag, told.get(tag) ?? value] as const),
  ]

  const loaderAt = up(stringsAt + strings.length, GAP)
  const loaderPieces = pieces(withoutPreload(loader), loaderElf, loaderAt)
  const librariesAt = up(endOf(loaderPieces), PAGE)

  const table = new Uint8Array(stringsAt + strings.length - tableAt)
  encodeInto(frontTable, table, {
    loaderEntry: loaderAt + Number(loaderElf.entry),
    loaderBase: loaderAt,
    programEntry: elf.entry,
    programHeaders: headers.vaddr,
    headerCount: elf.segments.length,
    libraryCount: libraries.length,
  })
  let bytes = librariesAt
  for (const [index, { length: size }] of libraries.entries()) {
    const path = stringsAt + paths[index]!
    encodeInto(frontLibrary, table, { bytes, size, path, digits: path + PATH.length }, frontTable.size + index * frontLibrary.size)
    bytes += size
  }
  const view = new DataView(table.buffer)
  for (const [index, words] of dynamic.entries())
    for (const [half, word] of words.entries()) view.setBigUint64(dynamicAt - tableAt + index * DYN_SIZE + half * 8, word, true)
  table.set(strings, stringsAt - tableAt)

  // The loader finds the table by the program's headers, which stand at the beginning of its first segment.
  const row = elf.segments.findIndex(({ type }) => type === PT_DYNAMIC)
  const place = { p_vaddr: dynamicAt, p_paddr: dynamicAt, p_filesz: dynamicSize, p_memsz: dynamicSize }
  encodeInto(elfSegment, own[0]!.bytes, place, Number(headers.vaddr) - own[0]!.vaddr + row * elfSegment.size)

  return write(
    [
      ...own,
      { vaddr: at, bytes: code, flags: READ_EXECUTE },
      { vaddr: tableAt, bytes: table, flags: READ_WRITE },
      ...loaderPieces,
      { vaddr: librariesAt, bytes: Buffer.concat(libraries), flags: READ },
    ],
    at + front.symbols._start,
  )
}
