import type { AnySchema, Field } from "../../proto/schema.ts"

/** A value for one field: large enough to need every byte of its type, and different for each `seed`. */
function value(field: Field, seed: number, depth: number): unknown {
  switch (field.type) {
    case "bool":
      return true
    case "bytes":
      return Uint8Array.from({ length: 3 + seed }, (_, at) => 255 - at)
    case "string":
      return `name ${seed} ü`
    case "int32":
    case "sint32":
      return -0x80000000 + seed
    case "uint32":
      return 0xffffffff - seed
    case "int64":
    case "sint64":
      return -0x8000_0000_0000_0000n + BigInt(seed)
    case "uint64":
    case "fixed64":
      return 0xffff_ffff_ffff_ffffn - BigInt(seed)
    case "enum":
      return Object.values(field.values).findLast((number) => typeof number === "number")
    case "message":
      return fullMessage(field.message(), seed, depth + 1)
  }
}

/** A message with every field set; lists have two items. A message inside itself stops at the third level. */
export function fullMessage(schema: AnySchema, seed = 0, depth = 0): object {
  const message: Record<string, unknown> = {}
  for (const field of schema.fields) {
    const deep = depth > 3 && field.type === "message"
    if (field.label === "repeated") message[field.name] = deep ? [] : [value(field, seed + 1, depth), value(field, seed + 2, depth)]
    else if (!deep || field.label === "required") message[field.name] = value(field, seed, depth)
  }
  return message
}
