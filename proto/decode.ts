import { BinaryReader, WireType } from "@bufbuild/protobuf/wire"
import { WIRE_TYPE } from "./encode.ts"
import type { AnySchema, Field, Schema } from "./schema.ts"
import { textOf } from "./text.ts"

const tables = new WeakMap<AnySchema, ReadonlyMap<number, Field>>()
function tableOf(schema: AnySchema): ReadonlyMap<number, Field> {
  const known = tables.get(schema)
  if (known) return known
  const table = new Map(schema.fields.map((field) => [field.number, field]))
  tables.set(schema, table)
  return table
}

/** Where the value ends whose length is next, in bytes from the start. */
function endOf(reader: BinaryReader): number {
  const length = reader.uint32()
  return reader.pos + length
}

function takeValue(reader: BinaryReader, field: Field): unknown {
  switch (field.type) {
    case "message":
      return takeMessage(reader, field.message(), endOf(reader))
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

function takeField(reader: BinaryReader, field: Field, wire: WireType, message: Record<string, unknown>): void {
  const expected = WIRE_TYPE[field.type]
  if (field.label === "repeated") {
    const list = message[field.name] as unknown[]
    if (wire === expected) list.push(takeValue(reader, field))
    else if (wire === WireType.LengthDelimited) {
      // Packed form, which a reader must take too.
      const end = endOf(reader)
      while (reader.pos < end) list.push(takeValue(reader, field))
      if (reader.pos > end) throw new RangeError(`its last number runs past the end of its list at byte ${end}`)
    } else throw new Error(`wire type ${wire}, not ${expected}`)
  } else if (wire === expected) message[field.name] = takeValue(reader, field)
  else throw new Error(`wire type ${wire}, not ${expected}`)
}

function takeMessage(reader: BinaryReader, schema: AnySchema, end: number): object {
  const table = tableOf(schema)
  const message: Record<string, unknown> = {}
  for (const { label, name } of schema.fields) if (label === "repeated") message[name] = []
  while (reader.pos < end) {
    const from = reader.pos
    let field: Field | undefined
    try {
      const [number, wire] = reader.tag()
      field = table.get(number)
      if (field) takeField(reader, field, wire, message)
      else reader.skip(wire, number)
      if (reader.pos > end) throw new RangeError(`it runs past the end of its message at byte ${end}`)
    } catch (error) {
      // Each message around it adds its own field and place; the package's texts have neither.
      const name = field ? `${schema.name}.${field.name}` : `a field of ${schema.name}`
      throw new Error(`${name} at byte ${from}: ${error instanceof Error ? error.message : String(error)}`)
    }
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
  return takeMessage(new BinaryReader(bytes, textOf), schema, bytes.length) as T
}
