import { type AnySchema, type Field, type Schema, valuesOf } from "./schema.ts"
import { bytesOf } from "./text.ts"

/** Wire types of the protocol-buffer encoding. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const
const UNSIGNED_32 = [0, 0xffffffff] as const
const SIGNED_32 = [-0x80000000, 0x7fffffff] as const
const MAX_64 = 0xffff_ffff_ffff_ffffn
const MAX_SIGNED_64 = 0x7fff_ffff_ffff_ffffn

/** A 64-bit number seen as its low and high 32 bits: arithmetic on bigint makes an object a step. */
const wideScratch = new BigUint64Array(1)
const halves = new Uint32Array(wideScratch.buffer)

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

/** Appends an integer from 0 to 2^32 - 1. */
function varint(sink: Sink, value: number): void {
  room(sink, 10)
  let rest = value
  while (rest > 0x7f) {
    sink.bytes[sink.length++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  sink.bytes[sink.length++] = rest
}

/** Appends an integer below 2^64; a negative one as its two's complement. */
function varint64(sink: Sink, value: bigint): void {
  room(sink, 10)
  wideScratch[0] = value
  let low = halves[0]!
  let high = halves[1]!
  while (high !== 0 || low > 0x7f) {
    sink.bytes[sink.length++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  sink.bytes[sink.length++] = low
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

function wide(schema: AnySchema, field: Field, value: unknown, low: bigint, high: bigint): bigint {
  if (typeof value !== "bigint" || value < low || value > high) throw wrong(schema, field, value)
  return value
}

/** Appends a nested message: written first, then moved by the bytes that its length needs. */
function nested(sink: Sink, schema: AnySchema, message: object): void {
  const from = sink.length
  putMessage(sink, schema, message)
  const size = sink.length - from
  varint(sink, size)
  const width = sink.length - from - size
  const length = sink.bytes.slice(sink.length - width, sink.length)
  sink.bytes.copyWithin(from + width, from, from + size)
  sink.bytes.set(length, from)
}

function put(sink: Sink, schema: AnySchema, field: Field, value: unknown): void {
  const tag = field.number * 8
  switch (field.type) {
    case "uint32":
      varint(sink, tag + WIRE.varint)
      varint(sink, number(schema, field, value, UNSIGNED_32))
      break
    case "int32":
    case "enum": {
      const checked = number(schema, field, value, SIGNED_32)
      varint(sink, tag + WIRE.varint)
      // A negative 32-bit number is sign-extended to 64 bits: ten bytes.
      if (checked < 0) varint64(sink, BigInt(checked))
      else varint(sink, checked)
      break
    }
    case "sint32": {
      const checked = number(schema, field, value, SIGNED_32)
      varint(sink, tag + WIRE.varint)
      varint(sink, checked < 0 ? -checked * 2 - 1 : checked * 2)
      break
    }
    case "bool":
      if (typeof value !== "boolean") throw wrong(schema, field, value)
      varint(sink, tag + WIRE.varint)
      varint(sink, value ? 1 : 0)
      break
    case "uint64":
      varint(sink, tag + WIRE.varint)
      varint64(sink, wide(schema, field, value, 0n, MAX_64))
      break
    case "int64":
      varint(sink, tag + WIRE.varint)
      varint64(sink, wide(schema, field, value, ~MAX_SIGNED_64, MAX_SIGNED_64))
      break
    case "sint64": {
      const checked = wide(schema, field, value, ~MAX_SIGNED_64, MAX_SIGNED_64)
      varint(sink, tag + WIRE.varint)
      varint64(sink, checked < 0n ? -checked * 2n - 1n : checked * 2n)
      break
    }
    case "fixed64":
      varint(sink, tag + WIRE.fixed64)
      room(sink, 8)
      new DataView(sink.bytes.buffer).setBigUint64(sink.length, wide(schema, field, value, 0n, MAX_64), true)
      sink.length += 8
      break
    case "string":
      if (typeof value !== "string") throw wrong(schema, field, value)
      varint(sink, tag + WIRE.bytes)
      block(sink, bytesOf(value))
      break
    case "bytes":
      if (!(value instanceof Uint8Array)) throw wrong(schema, field, value)
      varint(sink, tag + WIRE.bytes)
      block(sink, value)
      break
    case "message":
      if (typeof value !== "object" || value === null) throw wrong(schema, field, value)
      varint(sink, tag + WIRE.bytes)
      nested(sink, field.message(), value)
  }
}

function putMessage(sink: Sink, schema: AnySchema, message: object): void {
  const values = valuesOf(message)
  for (const field of schema.fields) {
    const value = values[field.name]
    if (field.label === "repeated") {
      if (!Array.isArray(value)) throw wrong(schema, field, value)
      for (const item of value) put(sink, schema, field, item)
    } else if (value !== undefined) put(sink, schema, field, value)
    else if (field.label === "required") throw wrong(schema, field, value)
  }
}

/** Shared by all calls: encoding never calls back. */
const sink: Sink = { bytes: new Uint8Array(4096), length: 0 }

/**
 * A message as bytes: fields in the order of the table, repeated ones unpacked, as CRIU writes them.
 *
 * @throws Error a required field is missing, or a value is out of range of its type: a defect of the caller
 */
export function encode<T extends object>(schema: Schema<T>, message: T): Uint8Array {
  sink.length = 0
  putMessage(sink, schema, message)
  return sink.bytes.slice(0, sink.length)
}
