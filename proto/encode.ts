import { WireType } from "@bufbuild/protobuf/wire"
import { Output } from "./output.ts"
import { type AnySchema, type Field, type Schema, valuesOf } from "./schema.ts"

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

/** What `typeof` says of a value of each type. */
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

const wrong = (schema: AnySchema, field: Field, value: unknown): Error =>
  new Error(`Unreachable: ${schema.name}.${field.name} is ${String(value)}, which is no ${field.type}`)

const halves = new DataView(new ArrayBuffer(8))

/** Appends a tag and a number. @returns false when it is out of range; nothing is appended then */
function putNumber(output: Output, type: keyof typeof VARINTS, tag: number, value: number | bigint | boolean): boolean {
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
  output.varint(tag)
  output.varint(low, high)
  return true
}

/** Whether a type stands in the image as the varint of its value. */
const isVarint = (type: Field["type"]): type is keyof typeof VARINTS => type in VARINTS

/** A signed number as an unsigned one that is small when it is near 0. Protocol Buffers, "Encoding": ZigZag */
function putZigzag(output: Output, value: bigint, bits: 32 | 64): boolean {
  if (BigInt.asIntN(bits, value) !== value) return false
  const coded = BigInt.asUintN(bits, (value << 1n) ^ (value >> BigInt(bits - 1)))
  output.varint(Number(coded & 0xffffffffn), Number(coded >> 32n))
  return true
}

/** Appends a value that is no varint as it is. @returns false when it is out of range */
function putOther(output: Output, field: Field, value: unknown): boolean {
  switch (field.type) {
    case "message": {
      const start = output.begin()
      putMessage(output, field.message(), value as object)
      output.end(start)
      return true
    }
    case "string":
      output.text(value as string)
      return true
    case "bytes": {
      const start = output.begin()
      output.raw(value as Uint8Array)
      output.end(start)
      return true
    }
    case "fixed64":
      if (BigInt.asUintN(64, value as bigint) !== value) return false
      output.u64(value as bigint)
      return true
    case "sint32":
      return Number.isInteger(value) && putZigzag(output, BigInt(value as number), 32)
    default:
      return putZigzag(output, value as bigint, 64)
  }
}

/** Numbers below this are a varint of one byte, and so are the tags of most fields. */
const MORE = 0x80

function put(output: Output, schema: AnySchema, field: Field, value: unknown): void {
  const { type } = field
  // Most numbers are small, and not negative.
  if (typeof value === "number" && value >>> 0 === value && value < MORE && KIND[type] === "number" && type !== "sint32") {
    output.varint(field.number << 3)
    output.varint(value)
    return
  }
  if (typeof value !== KIND[type] || value === null) throw wrong(schema, field, value)
  if (isVarint(type)) {
    if (!putNumber(output, type, field.number << 3, value as number | bigint | boolean)) throw wrong(schema, field, value)
    return
  }
  if (type === "bytes" && !(value instanceof Uint8Array)) throw wrong(schema, field, value)
  output.varint((field.number << 3) | WIRE_TYPE[type])
  if (!putOther(output, field, value)) throw wrong(schema, field, value)
}

/** Room for a list or a message alone, bytes. */
const FEW = 512

/** Frozen lists as bytes, by the field that they stand in: the registers of most threads are the same few lists of zeros. */
const encodedLists = new WeakMap<readonly unknown[], Map<Field, Uint8Array>>()

function putList(output: Output, schema: AnySchema, field: Field, list: readonly unknown[]): void {
  if (!Object.isFrozen(list)) {
    const wrongAt = field.type === "uint32" ? output.numbers(field.number << 3, list) : 0
    for (let index = wrongAt; index < list.length; index++) put(output, schema, field, list[index])
    return
  }
  const known = encodedLists.getOrInsertComputed(list, () => new Map())
  const bytes = known.getOrInsertComputed(field, () => {
    const alone = new Output(FEW)
    for (const item of list) put(alone, schema, field, item)
    return alone.take()
  })
  output.raw(bytes)
}

/**
 * Appends a message: fields in the order of the table, repeated ones unpacked, as CRIU writes them. A frozen list is encoded once: its
 * items must not change either.
 *
 * @throws Error a required field is missing, or a value is out of range of its type: a defect of the caller; a part may be appended then
 */
export function putMessage(output: Output, schema: AnySchema, message: object): void {
  const values = valuesOf(message)
  for (const field of schema.fields) {
    const value = values[field.name]
    if (field.label === "repeated") {
      if (!Array.isArray(value)) throw wrong(schema, field, value)
      putList(output, schema, field, value)
    } else if (value !== undefined) put(output, schema, field, value)
    else if (field.label === "required") throw wrong(schema, field, value)
  }
}

/** A message as bytes. @throws as `putMessage` */
export function encode<T extends object>(schema: Schema<T>, message: T): Uint8Array {
  const output = new Output(FEW)
  putMessage(output, schema, message)
  return output.take()
}
