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

function putScalar(writer: BinaryWriter, schema: AnySchema, field: Exclude<Field, { type: "message" }>, value: unknown): void {
  try {
    // The package's methods bear the names of the types, and refuse what is out of range.
    writer[field.type === "enum" ? "int32" : field.type](value as never)
  } catch (error) {
    throw wrong(schema, field, value, error)
  }
}

function put(writer: BinaryWriter, schema: AnySchema, field: Field, value: unknown): void {
  if (typeof value !== KIND[field.type] || value === null) throw wrong(schema, field, value)
  if (field.type === "bytes" && !(value instanceof Uint8Array)) throw wrong(schema, field, value)
  writer.tag(field.number, WIRE_TYPE[field.type])
  if (field.type !== "message") putScalar(writer, schema, field, value)
  else {
    writer.fork()
    putMessage(writer, field.message(), value as object)
    writer.join()
  }
}

function putMessage(writer: BinaryWriter, schema: AnySchema, message: object): void {
  const values = valuesOf(message)
  for (const field of schema.fields) {
    const value = values[field.name]
    if (field.label === "repeated") {
      if (!Array.isArray(value)) throw wrong(schema, field, value)
      for (const item of value) put(writer, schema, field, item)
    } else if (value !== undefined) put(writer, schema, field, value)
    else if (field.label === "required") throw wrong(schema, field, value)
  }
}

/** Shared by all calls: encoding never calls back, and the buffer is kept. */
const shared = new BinaryWriter(bytesOf)

/**
 * A message as bytes: fields in the order of the table, repeated ones unpacked, as CRIU writes them.
 *
 * @throws Error a required field is missing, or a value is out of range of its type: a defect of the caller
 */
export function encode<T extends object>(schema: Schema<T>, message: T): Uint8Array {
  try {
    putMessage(shared, schema, message)
  } catch (error) {
    shared.finish() // drops what was written so far
    throw error
  }
  return shared.finish()
}
