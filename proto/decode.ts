import { BinaryReader, WireType } from "@bufbuild/protobuf/wire"
import { Alike } from "./alike.ts"
import { WIRE_TYPE } from "./encode.ts"
import type { AnySchema, Field, Schema } from "./schema.ts"
import { textOf } from "./text.ts"

/** What decoding asks of a schema, found once: thousands of small messages are decoded of some. */
interface Plan {
  readonly table: ReadonlyMap<number, Field>
  readonly lists: readonly string[]
  readonly required: readonly string[]
}

const plans = new WeakMap<AnySchema, Plan>()
function planOf(schema: AnySchema): Plan {
  const known = plans.get(schema)
  if (known) return known
  const named = (wanted: Field["label"]): string[] => schema.fields.flatMap(({ label, name }) => (label === wanted ? [name] : []))
  const table = new Map(schema.fields.map((field) => [field.number, field]))
  const plan = { table, lists: named("repeated"), required: named("required") }
  plans.set(schema, plan)
  return plan
}

/**
 * Types whose value is the varint itself; most stand in one byte, which is read without the package: half of all values are zeros of
 * registers.
 */
const PLAIN: Readonly<Partial<Record<Field["type"], "number" | "bigint">>> = {
  enum: "number",
  int32: "number",
  uint32: "number",
  int64: "bigint",
  uint64: "bigint",
}
/** Bytes below this end a varint. */
const MORE = 0x80

/** Bytes that hold messages, one after another. */
export class MessageSource extends BinaryReader {
  /** Where the message that is read begins: error texts count from there. */
  start = 0

  constructor(readonly content: Uint8Array) {
    super(content, textOf)
  }
}

/** Where the value ends whose length is next, in bytes from the start of the source. */
function endOf(reader: MessageSource): number {
  const short = takeVarint(reader)
  const length = short >= 0 && short <= 0xffffffff ? short : reader.uint32()
  return reader.pos + length
}

/** The tag at the reader: of one byte or two, as all that are written, without the package, which makes a list of each. */
function takeTag(reader: MessageSource): number {
  const first = reader.content[reader.pos] ?? MORE
  const second = reader.content[reader.pos + 1] ?? MORE
  const tag = first < MORE ? first : (first & 0x7f) | (second << 7)
  if (tag >>> 3 !== 0 && PLAIN_WIRE.has(tag & 7) && (first < MORE || second < MORE)) {
    reader.pos += first < MORE ? 1 : 2
    return tag
  }
  const [number, wire] = reader.tag()
  return (number << 3) | wire
}

/** Wire types that the package takes. */
const PLAIN_WIRE: ReadonlySet<number> = new Set([WireType.Varint, WireType.Bit64, WireType.LengthDelimited, WireType.Bit32])

/** Bytes of varints that are read here: 56 bits, as addresses have. What is longer, or cut short, is the package's. */
const LONGEST = 8
/** 2 to the power of the bits before the fifth byte. */
const FOUR_BYTES = 2 ** 28

/** The varint at the reader, up to 2^56; -1 when it is the package's to read. */
function takeVarint(reader: MessageSource): number {
  const { content: bytes } = reader
  let low = 0
  let high = 0
  for (let index = 0; index < LONGEST; index++) {
    const byte = bytes[reader.pos + index]
    if (byte === undefined) return -1
    if (index < 4) low |= (byte & 0x7f) << (7 * index)
    else high |= (byte & 0x7f) << (7 * (index - 4))
    if (byte >= MORE) continue
    const value = low + high * FOUR_BYTES
    if (value > Number.MAX_SAFE_INTEGER) return -1
    reader.pos += index + 1
    return value
  }
  return -1
}

function takeValue(reader: MessageSource, field: Field): unknown {
  const plain = PLAIN[field.type]
  if (plain !== undefined) {
    const value = takeVarint(reader)
    if (value >= 0) {
      if (plain === "bigint") return BigInt(value)
      return field.type === "uint32" ? value % 2 ** 32 : value | 0
    }
  }
  switch (field.type) {
    case "message":
      return takeInner(reader, field.message(), endOf(reader))
    case "enum":
      return reader.int32()
    case "bytes":
      // A copy, else one small field would keep the whole file in memory.
      return new Uint8Array(reader.bytes())
    default:
      // The package's methods bear the names of the types.
      return reader[field.type]()
  }
}

/** The largest message that the threads of a process have alike, so often that it is read once: it is frozen then. */
const FPU_STATE = "user_x86_fpregs_entry"
const fpuStates = new Alike<object>()

function takeInner(reader: MessageSource, schema: AnySchema, end: number): object {
  if (schema.name !== FPU_STATE) return takeMessage(reader, schema, end)
  const message = fpuStates.of(reader.content, reader.pos, end, () => takeMessage(reader, schema, end))
  reader.pos = end
  return message
}

function takeField(reader: MessageSource, field: Field, wire: WireType, message: Record<string, unknown>): void {
  const expected = WIRE_TYPE[field.type]
  if (field.label === "repeated") {
    const list = message[field.name] as unknown[]
    if (wire === expected) list.push(takeValue(reader, field))
    else if (wire === WireType.LengthDelimited) {
      // Packed form, which a reader must take too.
      const end = endOf(reader)
      while (reader.pos < end) list.push(takeValue(reader, field))
      if (reader.pos > end) throw new RangeError(`its last number runs past the end of its list at byte ${end - reader.start}`)
    } else throw new Error(`wire type ${wire}, not ${expected}`)
  } else if (wire === expected) message[field.name] = takeValue(reader, field)
  else throw new Error(`wire type ${wire}, not ${expected}`)
}

/**
 * A list's further numbers of one byte, without the package: the registers of a thread are 360 numbers, most of them 0.
 *
 * @param tagAt where its tag stands
 */
function takeSmallNumbers(reader: MessageSource, field: Field, tagAt: number, tagEnd: number, end: number, list: unknown[]): void {
  const { content: bytes } = reader
  const plain = PLAIN[field.type]
  const length = tagEnd - tagAt
  if (plain === undefined || length > 2) return
  const first = bytes[tagAt]
  const second = bytes[tagAt + 1]
  let at = reader.pos
  while (at + length < end && bytes[at] === first && (length === 1 || bytes[at + 1] === second)) {
    const byte = bytes[at + length] ?? MORE
    if (byte >= MORE) break
    list.push(plain === "number" ? byte : byte === 0 ? 0n : BigInt(byte))
    at += length + 1
  }
  reader.pos = at
}

function takeMessage(reader: MessageSource, schema: AnySchema, end: number): object {
  const { content: bytes } = reader
  const { table, lists, required } = planOf(schema)
  const message: Record<string, unknown> = {}
  for (let i = 0; i < lists.length; i++) message[lists[i] as string] = []
  let from = reader.pos
  let field: Field | undefined
  try {
    while (reader.pos < end) {
      from = reader.pos
      field = undefined
      // A tag and a number of one byte each, as most are, are read without the package.
      const tag = bytes[from] ?? MORE
      const value = bytes[from + 1] ?? MORE
      if (tag < MORE && value < MORE && from + 2 <= end && (tag & 7) === WireType.Varint) {
        field = table.get(tag >>> 3)
        const plain = field && PLAIN[field.type]
        if (field && plain && field.label !== "repeated") {
          message[field.name] = plain === "number" ? value : BigInt(value)
          reader.pos = from + 2
          continue
        }
      }
      const whole = takeTag(reader)
      const number = whole >>> 3
      const wire: WireType = whole & 7
      const tagEnd = reader.pos
      field = table.get(number)
      if (field) takeField(reader, field, wire, message)
      else reader.skip(wire, number)
      if (field?.label === "repeated" && wire === WireType.Varint)
        takeSmallNumbers(reader, field, from, tagEnd, end, message[field.name] as unknown[])
      if (reader.pos > end) throw new RangeError(`it runs past the end of its message at byte ${end - reader.start}`)
    }
  } catch (error) {
    // Each message around it adds its own field and place; the package's texts have neither.
    const name = field ? `${schema.name}.${field.name}` : `a field of ${schema.name}`
    throw new Error(`${name} at byte ${from - reader.start}: ${error instanceof Error ? error.message : String(error)}`)
  }
  for (let i = 0; i < required.length; i++)
    if (message[required[i] as string] === undefined) throw new Error(`${schema.name} lacks its required field ${required[i]}`)
  return message
}

/**
 * Bytes as a message. Unknown fields are skipped, absent optional ones stay undefined, absent lists are empty, an unknown
 * enum value stays a number; strings need not be UTF-8, see ./text.ts.
 *
 * @throws Error the bytes are not this message or a required field is missing; the text says where, counted in bytes from the start
 */
export const decode = <T extends object>(schema: Schema<T>, bytes: Uint8Array): T =>
  decodeFrom(schema, new MessageSource(bytes), 0, bytes.length) as T

/** As `decode`, of one message among others: no view is made for it, which takes longer than a small message. */
export const decodeFrom = (schema: AnySchema, source: MessageSource, start: number, end: number): object =>
  takeMessage(at(source, start), schema, end)

function at(source: MessageSource, start: number): MessageSource {
  source.pos = start
  source.start = start
  return source
}
