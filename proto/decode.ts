import { WIRE } from "./encode.ts"
import type { Field, Schema } from "./schema.ts"
import { textOf } from "./text.ts"

/** A position in bytes that are being read, and the last varint as its low and high 32 bits. */
interface Source {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
  low: number
  high: number
}

const sourceOf = (bytes: Uint8Array, at: number, end: number): Source => ({ bytes, end, at, low: 0, high: 0 })

/** Reads the next varint; bits above 64 are dropped. */
function varint(source: Source): void {
  source.low = 0
  source.high = 0
  for (let shift = 0; shift < 70; shift += 7) {
    if (source.at >= source.end) throw new Error(`a number at byte ${source.at} runs past the end of its message`)
    const byte = source.bytes[source.at++]!
    const seven = byte & 0x7f
    if (shift < 28) source.low |= seven << shift
    else if (shift === 28) {
      source.low |= seven << 28
      source.high = seven >>> 4
    } else source.high |= shift < 63 ? seven << (shift - 32) : seven << 31
    if (byte < 0x80) return
  }
  throw new Error(`a number at byte ${source.at - 10} is longer than 10 bytes`)
}

/** Two 32-bit halves seen as a 64-bit number: arithmetic on bigint makes an object a step. */
const halves = new Uint32Array(2)
const wideScratch = new BigUint64Array(halves.buffer)

function wideOf({ low, high }: Source): bigint {
  halves[0] = low
  halves[1] = high
  return wideScratch[0]!
}

/** Steps over the next `length` bytes and returns where they began. */
function block(source: Source, length: number): number {
  const from = source.at
  if (from + length > source.end) throw new Error(`${length} bytes at byte ${from} run past the end of their message at ${source.end}`)
  source.at += length
  return from
}

/** Reads the length in front of bytes. 4 GiB and more cannot be in a message. */
function lengthOf(source: Source): number {
  varint(source)
  return source.high === 0 ? source.low >>> 0 : Number.MAX_SAFE_INTEGER
}

const WIRE_OF = (field: Field): number =>
  field.type === "fixed64"
    ? WIRE.fixed64
    : field.type === "string" || field.type === "bytes" || field.type === "message"
      ? WIRE.bytes
      : WIRE.varint

function value(source: Source, field: Field): unknown {
  if (field.type === "fixed64") {
    const from = block(source, 8)
    return new DataView(source.bytes.buffer, source.bytes.byteOffset).getBigUint64(from, true)
  }
  if (WIRE_OF(field) === WIRE.bytes) {
    const length = lengthOf(source)
    const from = block(source, length)
    if (field.type === "message") return decodeRange(field.message(), source.bytes, from, from + length)
    const bytes = source.bytes.subarray(from, from + length)
    return field.type === "string" ? textOf(bytes) : bytes.slice()
  }
  varint(source)
  switch (field.type) {
    case "bool":
      return (source.low | source.high) !== 0
    case "uint32":
      return source.low >>> 0
    case "int32":
    case "enum":
      return source.low | 0
    case "sint32":
      return (source.low >>> 1) ^ -(source.low & 1)
    case "uint64":
      return wideOf(source)
    case "int64":
      return BigInt.asIntN(64, wideOf(source))
    case "sint64":
      return (wideOf(source) >> 1n) ^ -(wideOf(source) & 1n)
  }
}

function skip(source: Source, wire: number): void {
  if (wire === WIRE.varint) varint(source)
  else if (wire === WIRE.fixed64) block(source, 8)
  else if (wire === WIRE.fixed32) block(source, 4)
  else if (wire === WIRE.bytes) {
    block(source, lengthOf(source))
  } else throw new Error(`wire type ${wire} before byte ${source.at} does not exist in images`)
}

const tables = new WeakMap<object, Map<number, Field>>()
function tableOf(schema: Schema<object>): Map<number, Field> {
  const known = tables.get(schema)
  if (known) return known
  const table = new Map(schema.fields.map((field) => [field.number, field]))
  tables.set(schema, table)
  return table
}

function decodeRange(schema: Schema<object>, bytes: Uint8Array, from: number, end: number): object {
  const source = sourceOf(bytes, from, end)
  const table = tableOf(schema)
  const message: Record<string, unknown> = {}
  for (const field of schema.fields) if (field.label === "repeated") message[field.name] = []
  while (source.at < source.end) {
    varint(source)
    const wire = source.low & 7
    const field = table.get(((source.low >>> 3) | (source.high << 29)) >>> 0)
    if (!field) skip(source, wire)
    else if (wire === WIRE_OF(field)) {
      const decoded = value(source, field)
      if (field.label === "repeated") (message[field.name] as unknown[]).push(decoded)
      else message[field.name] = decoded
    } else if (wire === WIRE.bytes && field.label === "repeated") {
      // Packed form, which a reader must take too.
      const length = lengthOf(source)
      const start = block(source, length)
      const packed = sourceOf(bytes, start, start + length)
      while (packed.at < packed.end) (message[field.name] as unknown[]).push(value(packed, field))
    } else throw new Error(`${schema.name}.${field.name} before byte ${source.at} has wire type ${wire}, not ${WIRE_OF(field)}`)
  }
  for (const { label, name } of schema.fields) {
    if (label === "required" && message[name] === undefined) throw new Error(`${schema.name} lacks its required field ${name}`)
  }
  return message
}

/**
 * Bytes as a message. Unknown fields are skipped, absent optional ones stay undefined, absent lists are empty, an unknown
 * enum value stays a number; strings need not be UTF-8, see ./text.ts.
 *
 * @throws Error the bytes are not this message or a required field is missing; the text says where, counted in bytes from the start
 */
export function decode<T extends object>(schema: Schema<T>, bytes: Uint8Array): T {
  return decodeRange(schema, bytes, 0, bytes.length) as T
}
