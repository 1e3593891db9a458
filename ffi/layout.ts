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
  /** The members as a list, made once and when it is first used: structures are read by the thousand, but few of them in one run. */
  readonly members: readonly (readonly [name: string, offset: number, width: Scalar])[]
}

/** A decoded structure: 64-bit members are bigint, the rest numbers. */
export type Decoded<L> = L extends Layout<infer F> ? { -readonly [K in keyof F]: F[K][1] extends "u64" | "i64" ? bigint : number } : never

class Structure<F extends Fields> implements Layout<F> {
  private list: Layout<F>["members"] | undefined
  constructor(
    readonly name: string,
    readonly header: string,
    readonly size: number,
    readonly fields: F,
  ) {}
  get members(): Layout<F>["members"] {
    if (this.list === undefined)
      this.list = Object.entries(this.fields).map(([member, [offset, width]]) => [member, offset, width] as const)
    return this.list
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
  const result: Record<string, number | bigint> = {}
  for (const [name, offset, width] of members) result[name] = READ[width](view, at + offset)
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
    if (field && value !== undefined) WRITE[field[1]](view, at + field[0], value)
  }
}

/** A structure as new bytes; members not named are 0. */
export function encode<F extends Fields>(structure: Layout<F>, values: { readonly [K in keyof F]?: number | bigint }): Uint8Array {
  const bytes = new Uint8Array(structure.size)
  encodeInto(structure, bytes, values)
  return bytes
}

const READ: Record<Scalar, (view: DataView, at: number) => number | bigint> = {
  u8: (view, at) => view.getUint8(at),
  u16: (view, at) => view.getUint16(at, true),
  u32: (view, at) => view.getUint32(at, true),
  i32: (view, at) => view.getInt32(at, true),
  u64: (view, at) => view.getBigUint64(at, true),
  i64: (view, at) => view.getBigInt64(at, true),
}

const WRITE: Record<Scalar, (view: DataView, at: number, value: number | bigint) => void> = {
  u8: (view, at, value) => view.setUint8(at, Number(value)),
  u16: (view, at, value) => view.setUint16(at, Number(value), true),
  u32: (view, at, value) => view.setUint32(at, Number(value), true),
  i32: (view, at, value) => view.setInt32(at, Number(value), true),
  u64: (view, at, value) => view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true),
  i64: (view, at, value) => view.setBigInt64(at, BigInt.asIntN(64, BigInt(value)), true),
}
