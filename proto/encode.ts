import { type AnySchema, type Field, type Schema, valuesOf } from "./schema.ts"
import { bytesOf } from "./text.ts"

/** Wire types of the protocol-buffer encoding. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const
const UNSIGNED_32 = [0, 0xffffffff] as const
const SIGNED_32 = [-0x80000000, 0x7fffffff] as const
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const MASK_64 = 0xffff_ffff_ffff_ffffn

/** Bytes that grow at the end; the first `length` of them count. */
interface Sink {
  bytes: Uint8Array
  length: number
}

function room(sink: Sink, count: number): void {
  if (sink.length + count <= sink.bytes.length) return
  const larger = new Uint8Array(Math.max(sink.bytes.length * 2, sink.length + count))
  larger.set(sink.bytes.subarray(0, sink.length))
  sink.bytes = larger
}

/** Appends an integer from 0 to 2^53. */
function varint(sink: Sink, value: number): void {
  room(sink, 10)
  let rest = value
  while (rest > 0x7f) {
    sink.bytes[sink.length++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  sink.bytes[sink.length++] = rest
}

function varint64(sink: Sink, value: bigint): void {
  room(sink, 10)
  let rest = value
  while (rest > 0x7fn) {
    sink.bytes[sink.length++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  sink.bytes[sink.length++] = Number(rest)
}

function block(sink: Sink, bytes: Uint8Array): void {
  varint(sink, bytes.length)
  room(sink, bytes.length)
  sink.bytes.set(bytes, sink.length)
  sink.length += bytes.length
}

function wrong(schema: AnySchema, field: Field, value: unknown): Error {
  return new Error(`Unreachable: ${schema.name}.${field.name} is ${String(value)}, which is no ${field.type}`)
}

function number(schema: AnySchema, field: Field, value: unknown, [low, high]: readonly [number, number]): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) throw wrong(schema, field, value)
  return value
}

function wide(schema: AnySchema, field: Field, value: unknown, signed: boolean): bigint {
  if (typeof value !== "bigint" || BigInt[signed ? "asIntN" : "asUintN"](64, value) !== value) throw wrong(schema, field, value)
  return value
}

/** What a varint field is on the wire: from 0 to 2^64. Negative 32-bit numbers are sign-extended to 64 bits. */
function varintOf(schema: AnySchema, field: Field, value: unknown): number | bigint {
  switch (field.type) {
    case "uint32":
      return number(schema, field, value, UNSIGNED_32)
    case "int32":
    case "enum": {
      const checked = number(schema, field, value, SIGNED_32)
      return checked < 0 ? BigInt(checked) & MASK_64 : checked
    }
    case "sint32": {
      const checked = number(schema, field, value, SIGNED_32)
      return checked < 0 ? -checked * 2 - 1 : checked * 2
    }
    case "bool":
      if (typeof value !== "boolean") throw wrong(schema, field, value)
      return value ? 1 : 0
    case "int64":
      return wide(schema, field, value, true) & MASK_64
    case "sint64": {
      const checked = wide(schema, field, value, true)
      return checked < 0n ? -checked * 2n - 1n : checked * 2n
    }
    default:
      return wide(schema, field, value, false)
  }
}

function blockOf(schema: AnySchema, field: Field, value: unknown): Uint8Array | undefined {
  if (field.type === "string" && typeof value === "string") return bytesOf(value)
  if (field.type === "bytes" && value instanceof Uint8Array) return value
  if (field.type === "message" && typeof value === "object" && value !== null) return encode(field.message(), value)
  if (field.type === "string" || field.type === "bytes" || field.type === "message") throw wrong(schema, field, value)
  return undefined
}

function put(sink: Sink, schema: AnySchema, field: Field, value: unknown): void {
  const bytes = blockOf(schema, field, value)
  if (bytes) {
    varint(sink, field.number * 8 + WIRE.bytes)
    block(sink, bytes)
  } else if (field.type === "fixed64") {
    varint(sink, field.number * 8 + WIRE.fixed64)
    room(sink, 8)
    new DataView(sink.bytes.buffer).setBigUint64(sink.length, wide(schema, field, value, false), true)
    sink.length += 8
  } else {
    const bits = varintOf(schema, field, value)
    varint(sink, field.number * 8 + WIRE.varint)
    if (typeof bits === "number" || bits <= MAX_SAFE) varint(sink, Number(bits))
    else varint64(sink, bits)
  }
}

/**
 * A message as bytes: fields in the order of the table, repeated ones unpacked, as CRIU writes them.
 *
 * @throws Error a required field is missing, or a value is out of range of its type: a defect of the caller
 */
export function encode<T extends object>(schema: Schema<T>, message: T): Uint8Array {
  const sink: Sink = { bytes: new Uint8Array(512), length: 0 }
  const values = valuesOf(message)
  for (const field of schema.fields) {
    const value = values[field.name]
    if (field.label === "repeated") {
      if (!Array.isArray(value)) throw wrong(schema, field, value)
      for (const item of value) put(sink, schema, field, item)
    } else if (value !== undefined) put(sink, schema, field, value)
    else if (field.label === "required") throw wrong(schema, field, value)
  }
  return sink.bytes.subarray(0, sink.length)
}
