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

const LARGEST = 0xffff_ffff_ffff_ffffn
const halves = new DataView(new ArrayBuffer(8))

/** Appends a tag and a number. @returns false when it is out of range; nothing is appended then */
function putNumber(output: Output, type: keyof typeof VARINTS, tag: number, value: number | bigint | boolean): boolean {
  if (typeof value === "bigint") {
    if (type === "int64" ? BigInt.asIntN(64, value) !== value : value < 0n || value > LARGEST) return false
    halves.setBigUint64(0, value, true)
    output.tagged(tag, halves.getUint32(0, true), halves.getUint32(4, true))
    return true
  }
  const number = Number(value)
  const low = number >>> 0
  if (type === "uint32" ? low !== number : (number | 0) !== number) return false
  output.tagged(tag, low, number < 0 ? 0xffffffff : 0)
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
      if (Object.isFrozen(value)) output.raw(encodedOnce(field.message(), value as object))
      else putMessage(output, field.message(), value as object)
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

function put(output: Output, schema: AnySchema, field: Field, value: unknown): void {
  const { type } = field
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

/** Frozen messages as bytes: threads of a process have many in common. */
const encodedMessages = new WeakMap<object, Uint8Array>()

function encodedOnce(schema: AnySchema, message: object): Uint8Array {
  return encodedMessages.getOrInsertComputed(message, () => {
    const alone = new Output(FEW)
    putMessage(alone, schema, message)
    return alone.take()
  })
}

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
 * Appends a message: fields in the order of the table, repeated ones unpacked, as CRIU writes them. A frozen list, and a frozen message in
 * another one, is encoded once: what it holds must not change either.
 *
 * @throws Error a required field is missing, or a value is out of range of its type: a defect of the caller; a part may be appended then
 */
export function putMessage(output: Output, schema: AnySchema, message: object): void {
  const values = valuesOf(message)
  const { fields } = schema
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as Field
    const value = values[field.name]
    if (field.label === "repeated") {
      if (!Array.isArray(value)) throw wrong(schema, field, value)
      if (value.length > 0) putList(output, schema, field, value)
    } else if (value === undefined) {
      if (field.label === "required") throw wrong(schema, field, value)
      // By far the most, and without a detour.
    } else if (field.type === "uint32" && typeof value === "number" && value >>> 0 === value) output.tagged(field.number << 3, value)
    else if (field.type === "uint64" && typeof value === "bigint" && value >= 0n && value <= LARGEST) {
      halves.setBigUint64(0, value, true)
      output.tagged(field.number << 3, halves.getUint32(0, true), halves.getUint32(4, true))
    } else put(output, schema, field, value)
  }
}

/** A message as bytes. @throws as `putMessage` */
export function encode<T extends object>(schema: Schema<T>, message: T): Uint8Array {
  const output = new Output(FEW)
  putMessage(output, schema, message)
  return output.take()
}
