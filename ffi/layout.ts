/**
 * Kernel structures as data: a literal of offsets and widths gives reading and writing. Little-endian, as both supported architectures are.
 */

type Scalar = "u8" | "u16" | "u32" | "u64" | "i32" | "i64"
export type Fields = Readonly<Record<string, readonly [offset: number, width: Scalar]>>

export interface Layout<F extends Fields> {
  /** C name, for messages and for the test against a C compiler. */
  readonly name: string
  /** The header that defines it. */
  readonly header: string
  /** Bytes. */
  readonly size: number
  readonly fields: F
  /** The members as lists, made once and when they are first used: structures are read by the thousand, but few of them in one run. */
  readonly members: Members
}

/** Names, offsets and widths, side by side: an interpreted loop over them takes half the time of one over pairs. */
interface Members {
  readonly names: readonly string[]
  readonly offsets: readonly number[]
  readonly widths: readonly Width[]
}

/** A decoded structure: 64-bit members are bigint, the rest numbers. */
export type Decoded<L> = L extends Layout<infer F> ? { -readonly [K in keyof F]: F[K][1] extends "u64" | "i64" ? bigint : number } : never

/** Widths as numbers, which a switch finds by a table. */
const U8 = 0
const U16 = 1
const U32 = 2
const I32 = 3
const U64 = 4
const I64 = 5
const WIDTH = { u8: U8, u16: U16, u32: U32, i32: I32, u64: U64, i64: I64 } as const satisfies Record<Scalar, number>
type Width = (typeof WIDTH)[Scalar]

class Structure<F extends Fields> implements Layout<F> {
  private lists: Members | undefined
  constructor(
    readonly name: string,
    readonly header: string,
    readonly size: number,
    readonly fields: F,
  ) {}
  get members(): Members {
    if (this.lists === undefined) {
      const fields = Object.values(this.fields)
      const widths = fields.map(([, scalar]) => WIDTH[scalar])
      this.lists = { names: Object.keys(this.fields), offsets: fields.map(([offset]) => offset), widths }
    }
    return this.lists
  }
}

/** Describes a C structure by its members' offsets in bytes. */
export const layout = <const F extends Fields>(name: string, header: string, size: number, fields: F): Layout<F> =>
  new Structure(name, header, size, fields)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Reads a structure out of bytes.
 *
 * @param at offset of the structure in bytes
 * @throws RangeError when a member lies outside `bytes`
 */
export function decode<F extends Fields>({ members }: Layout<F>, bytes: Uint8Array, at = 0): Decoded<Layout<F>> {
  const view = viewOf(bytes)
  const { names, offsets, widths } = members
  const result: Record<string, number | bigint> = {}
  for (let i = 0; i < names.length; i++) {
    const place = at + (offsets[i] as number)
    const width = widths[i] as Width
    // By far the most.
    result[names[i] as string] = width === U64 ? view.getBigUint64(place, true) : read(view, place, width)
  }
  return result as Decoded<Layout<F>>
}

/** Writes members into bytes at `at`; members not named stay as they are. Values are cut to their width. */
export function encodeInto<F extends Fields>(
  { fields }: Layout<F>,
  bytes: Uint8Array,
  values: { readonly [K in keyof F]?: number | bigint },
  at = 0,
): void {
  const view = viewOf(bytes)
  for (const name in values) {
    const field = fields[name]
    const value = values[name]
    if (field && value !== undefined) write(view, at + field[0], WIDTH[field[1]], value)
  }
}

/** As `encodeInto`, of every member: in fewer steps. */
export function encodeWhole<F extends Fields>({ members }: Layout<F>, bytes: Uint8Array, values: Decoded<Layout<F>>, at = 0): void {
  const view = viewOf(bytes)
  const { names, offsets, widths } = members
  const all = values as Readonly<Record<string, number | bigint>>
  for (let i = 0; i < names.length; i++) write(view, at + (offsets[i] as number), widths[i] as Width, all[names[i] as string] as bigint)
}

/** A structure as new bytes; members not named are 0. */
export function encode<F extends Fields>(structure: Layout<F>, values: { readonly [K in keyof F]?: number | bigint }): Uint8Array {
  const bytes = new Uint8Array(structure.size)
  encodeInto(structure, bytes, values)
  return bytes
}

function read(view: DataView, at: number, width: Width): number | bigint {
  switch (width) {
    case U8:
      return view.getUint8(at)
    case U16:
      return view.getUint16(at, true)
    case U32:
      return view.getUint32(at, true)
    case I32:
      return view.getInt32(at, true)
    case U64:
      return view.getBigUint64(at, true)
    case I64:
      return view.getBigInt64(at, true)
  }
}

/** The low bytes of a value: DataView cuts what is too wide. */
function write(view: DataView, at: number, width: Width, value: number | bigint): void {
  if (width === U64 || width === I64) view.setBigUint64(at, BigInt(value), true)
  else if (width === U32 || width === I32) view.setUint32(at, Number(value), true)
  else if (width === U16) view.setUint16(at, Number(value), true)
  else view.setUint8(at, Number(value))
}
