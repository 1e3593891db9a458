import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire"
import { type AnySchema, type Field, type Schema, valuesOf } from "./schema.ts"
import { bytesOf } from "./text.ts"

/** Wire type of one value of each type. Lists are written unpacked, so it is theirs too. */
export const WIRE_TYPE: Readonly<Record<Field["type"], WireType>> = {
  bool: WireType.Varint,
  enum: WireType.Varint,
  int32: WireType.Varint,
  int64: WireType.Varint,
  uint32: WireType.Varint,
  uint64: WireType.Varint,
  sint32: WireType.Varint,
  sint64: WireType.Varint,
  fixed64: WireType.Bit64,
  bytes: WireType.LengthDelimited,
  string: WireType.LengthDelimited,
  message: WireType.LengthDelimited,
}

/** Types whose value is a varint as it is. */
const VARINTS = { bool: true, enum: true, int32: true, int64: true, uint32: true, uint64: true } as const satisfies Partial<
  Record<Field["type"], true>
>

/** What `typeof` says of a value of each type. The package would take more: "1" for 1, anything for true. */
const KIND: Readonly<Record<Field["type"], string>> = {
  bool: "boolean",
  enum: "number",
  int32: "number",
  int64: "bigint",
  uint32: "number",
  uint64: "bigint",
  sint32: "number",
  sint64: "bigint",
  fixed64: "bigint",
  bytes: "object",
  string: "string",
  message: "object",
}

function wrong(schema: AnySchema, field: Field, value: unknown, cause?: unknown): Error {
  return new Error(`Unreachable: ${schema.name}.${field.name} is ${String(value)}, which is no ${field.type}`, { cause })
}

/**
 * Varints of fields that follow each other. They go to the package's writer in one piece: it takes several calls for each, and an image is
 * mostly numbers. Encoding never calls back, so one piece serves all.
 */
const run = new Uint8Array(4096)
let runLength = 0
/** A tag and a value at most, bytes. */
const LONGEST = 20
const halves = new DataView(new ArrayBuffer(8))

function flush(writer: BinaryWriter): void {
  if (runLength === 0) return
  writer.raw(run.subarray(0, runLength))
  runLength = 0
}

/** @param low, high halves of a 64-bit value, unsigned */
function putVarint(low: number, high: number): void {
  while (high !== 0 || low > 0x7f) {
    run[runLength++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  run[runLength++] = low
}

/** Appends a number to the run. @returns false when it is out of range; nothing is appended then */
function putNumber(type: keyof typeof VARINTS, tag: number, value: number | bigint | boolean): boolean {
  let low = 0
  let high = 0
  if (typeof value === "bigint") {
    halves.setBigUint64(0, value, true)
    if ((type === "int64" ? halves.getBigInt64(0, true) : halves.getBigUint64(0, true)) !== value) return false
    low = halves.getUint32(0, true)
    high = halves.getUint32(4, true)
  } else {
    const number = Number(value)
    low = number >>> 0
    if (type === "uint32" ? low !== number : (number | 0) !== number) return false
    if (number < 0) high = 0xffffffff
  }
  putVarint(tag, 0)
  putVarint(low, high)
  return true
}

function putScalar(writer: BinaryWriter, schema: AnySchema, field: Exclude<Field, { type: "message" }>, value: unknown): void {
  try {
    // The package's methods bear the names of the types, and refuse what is out of range.
    writer[field.type === "enum" ? "int32" : field.type](value as never)
  } catch (error) {
    throw wrong(schema, field, value, error)
  }
}

/** Whether a type stands in the image as the varint of its value. */
const isVarint = (type: Field["type"]): type is keyof typeof VARINTS => type in VARINTS

function put(writer: BinaryWriter, schema: AnySchema, field: Field, value: unknown): void {
  const { type } = field
  if (typeof value !== KIND[type] || value === null) throw wrong(schema, field, value)
  if (isVarint(type)) {
    if (runLength > run.length - LONGEST) flush(writer)
    if (!putNumber(type, field.number << 3, value as number | bigint | boolean)) throw wrong(schema, field, value)
    return
  }
  if (type === "bytes" && !(value instanceof Uint8Array)) throw wrong(schema, field, value)
  flush(writer)
  writer.tag(field.number, WIRE_TYPE[type])
  if (field.type !== "message") putScalar(writer, schema, field, value)
  else {
    writer.fork()
    putMessage(writer, field.message(), value as object)
    writer.join()
  }
}

/** Frozen lists as bytes, by the field that they stand in: the registers of most threads are the same few lists of zeros. */
const encodedLists = new WeakMap<readonly unknown[], Map<Field, Uint8Array>>()

function putList(writer: BinaryWriter, schema: AnySchema, field: Field, list: readonly unknown[]): void {
  if (!Object.isFrozen(list)) {
    for (const item of list) put(writer, schema, field, item)
    return
  }
  flush(writer)
  const known = encodedLists.getOrInsertComputed(list, () => new Map())
  const bytes = known.getOrInsertComputed(field, () => {
    const alone = new BinaryWriter(bytesOf)
    for (const item of list) put(alone, schema, field, item)
    flush(alone)
    return alone.finish()
  })
  writer.raw(bytes)
}

function putMessage(writer: BinaryWriter, schema: AnySchema, message: object): void {
  const values = valuesOf(message)
  for (const field of schema.fields) {
    const value = values[field.name]
    if (field.label === "repeated") {
      if (!Array.isArray(value)) throw wrong(schema, field, value)
      putList(writer, schema, field, value)
    } else if (value !== undefined) put(writer, schema, field, value)
    else if (field.label === "required") throw wrong(schema, field, value)
  }
  flush(writer)
}

/** Shared by all calls: encoding never calls back, and the buffer is kept. */
const shared = new BinaryWriter(bytesOf)

/**
 * A message as bytes: fields in the order of the table, repeated ones unpacked, as CRIU writes them. A frozen list is encoded once: its
 * items must not change either.
 *
 * @throws Error a required field is missing, or a value is out of range of its type: a defect of the caller
 */
export function encode<T extends object>(schema: Schema<T>, message: T): Uint8Array {
  try {
    putMessage(shared, schema, message)
  } catch (error) {
    // Drops what was written so far.
    shared.finish()
    runLength = 0
    throw error
  }
  return shared.finish()
}
