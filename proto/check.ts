import { WireType } from "@bufbuild/protobuf/wire"
import { Alike } from "./alike.ts"
import { WIRE_TYPE } from "./encode.ts"
import type { AnySchema } from "./schema.ts"

/** What may stand behind a tag. */
interface Rule {
  readonly wire: WireType
  /** Of a message. */
  readonly inner: (() => Plan) | undefined
  /** Its bit among the required fields, 0 for others. */
  readonly bit: number
}

interface Plan {
  /** By tag. */
  readonly rules: ReadonlyMap<number, Rule>
  /** Every bit of a required field; undefined = there are more than a number has bits. */
  readonly required: number | undefined
  /** Which messages inside of others are such. */
  readonly alike: Alike<boolean>
}

const plans = new WeakMap<AnySchema, Plan>()
function planOf(schema: AnySchema): Plan {
  const known = plans.get(schema)
  if (known) return known
  const rules = new Map<number, Rule>()
  let required = 0
  let next = 0
  for (const field of schema.fields) {
    const wire = WIRE_TYPE[field.type]
    const bit = field.label === "required" ? 1 << next++ : 0
    required |= bit
    const inner = field.type === "message" ? () => planOf(field.message()) : undefined
    rules.set((field.number << 3) | wire, { wire, inner, bit })
  }
  const plan = { rules, required: next > BITS ? undefined : required, alike: new Alike<boolean>() }
  plans.set(schema, plan)
  return plan
}

const BITS = 31
/** Bytes below this end a varint. */
const MORE = 0x80
/** Bytes of a 64-bit varint at most. */
const LONGEST = 10

/** Where a varint ends that begins at `at`; -1 when it does not end before `end`. */
function skipVarint(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(at + LONGEST, end)
  for (let next = at; next < last; next++) if ((bytes[next] ?? MORE) < MORE) return next + 1
  return -1
}

function isMessage(bytes: Uint8Array, start: number, end: number, { rules, required }: Plan): boolean {
  if (required === undefined) return false
  let seen = 0
  let at = start
  while (at < end) {
    const first = bytes[at++] ?? 0
    let tag = first
    if (first >= MORE) {
      const second = bytes[at++] ?? MORE
      if (second >= MORE) return false
      tag = (first & 0x7f) | (second << 7)
    }
    const rule = rules.get(tag)
    if (!rule) return false
    seen |= rule.bit
    if (rule.wire === WireType.Varint) at = skipVarint(bytes, at, end)
    else if (rule.wire === WireType.Bit64) at += 8
    else {
      const from = skipVarint(bytes, at, Math.min(at + 3, end))
      if (from < 0) return false
      const length =
        ((bytes[at] ?? 0) & 0x7f) |
        (from > at + 1 ? ((bytes[at + 1] ?? 0) & 0x7f) << 7 : 0) |
        (from > at + 2 ? (bytes[at + 2] ?? 0) << 14 : 0)
      at = from + length
      if (at > end) return false
      if (rule.inner) {
        const inner = rule.inner()
        if (!inner.alike.of(bytes, from, at, () => isMessage(bytes, from, at, inner))) return false
      }
    }
    if (at < 0 || at > end) return false
  }
  return seen === required
}

/**
 * Whether bytes are a message with nothing in them that `encode` does not write: only fields that the table has, lists unpacked, nothing
 * required missing. False does not say that they are none: it is for `decode` to say then. A few times faster than that: nothing is kept.
 *
 * @param start, end of the message in `bytes`
 */
export const isPlainly = (schema: AnySchema, bytes: Uint8Array, start: number, end: number): boolean =>
  isMessage(bytes, start, end, planOf(schema))
