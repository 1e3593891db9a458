import type { AnySchema, Field } from "../../proto/schema.ts"
import { valuesOf } from "../../proto/schema.ts"

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** A number that JSON readers keep exactly; larger ones become decimal strings. */
export const jsonNumber = (value: number | bigint): Json =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value)

function valueJson(field: Field, value: unknown): Json {
  if (field.type === "message") return messageJson(field.message(), value as object)
  if (field.type === "enum" && typeof value === "number") return field.values[value] ?? value
  if (typeof value === "number" || typeof value === "bigint") return jsonNumber(value)
  if (value instanceof Uint8Array) return value.toHex()
  return typeof value === "boolean" ? value : String(value)
}

/**
 * A message as JSON: names as in the format, absent fields left out, enums by name, bytes in hexadecimal, numbers beyond 2^53 as decimal
 * strings.
 */
export function messageJson(schema: AnySchema, message: object): Json {
  const values = valuesOf(message)
  const pairs = schema.fields.flatMap((field): [string, Json][] => {
    const value = values[field.name]
    if (value === undefined) return []
    return [[field.name, Array.isArray(value) ? value.map((item) => valueJson(field, item)) : valueJson(field, value)]]
  })
  return Object.fromEntries(pairs)
}
