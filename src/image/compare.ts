import { type AnySchema, type Field, valuesOf } from "../../proto/schema.ts"

/** How a field is compared where it need not simply be equal. */
export type Rule =
  | { readonly kind: "ignore" }
  /** Not compared where one of both says nothing of it. */
  | { readonly kind: "if-known" }
  /** A number that a dump gave to an object: it may differ, but both dumps must number alike. 0 stands for itself. */
  | {
      readonly kind: "alias"
      readonly space: string
      /** A first dump that does not say all may number one object several times. */
      readonly apart?: true
    }
  /** A list in any order, whose entries are known by these fields together. */
  | { readonly kind: "keyed"; readonly by: readonly string[] }
  /** A list to which entries may have come. Of those that `mayGo` is true for, it need not have any more. */
  | { readonly kind: "subset"; readonly mayGo: (entry: object) => boolean }
  /** Flags of which some do not count. */
  | { readonly kind: "flags"; readonly without: number }
  /** A text of which what matches does not count. */
  | { readonly kind: "text"; readonly without: RegExp }
  /** Bytes of a mask: how many zeros follow is the kernel's affair. */
  | { readonly kind: "mask" }

/** Rules by "message.field". */
export type Rules = Readonly<Record<string, Rule>>

/** Numbers of one dump, and those of the other for the same objects. */
export class Aliases {
  private readonly forth = new Map<string, bigint>()
  private readonly back = new Map<string, bigint>()
  private readonly pairs = new Map<string, [bigint, bigint][]>()

  /** False when one of the two numbers stands for another object already. @param apart several saved numbers may stand for one object */
  unite(space: string, saved: bigint, now: bigint, apart = false): boolean {
    const [there, here] = [`${space} ${saved}`, `${space} ${now}`]
    const to = this.forth.get(there)
    if (to !== undefined) return to === now
    if (this.back.has(here) && !apart) return false
    this.forth.set(there, now)
    this.back.set(here, saved)
    this.of(space).push([saved, now])
    return true
  }

  /** Pairs of a space in the order they were met; whoever walks the list meets those too that come meanwhile. */
  of(space: string): [bigint, bigint][] {
    return this.pairs.getOrInsertComputed(space, () => [])
  }
}

/** What two dumps are compared by. */
export interface Comparison {
  readonly rules: Rules
  readonly aliases: Aliases
  /** The first dump says all that can be said: what only the second says is a difference. */
  readonly complete: boolean
}

/** A value as people read it. */
function valueText(value: unknown): string {
  if (value === undefined) return "nothing"
  if (typeof value === "bigint") return value > 9n ? `${value} (0x${value.toString(16)})` : String(value)
  const plain = (part: unknown): unknown => (part instanceof Uint8Array ? `bytes ${Buffer.from(part).toString("hex")}` : part)
  const text = JSON.stringify(plain(value), (_, part) => (typeof part === "bigint" ? String(part) : plain(part)))
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}

/** True for what says no more than its absence: so does a message of which every field is such. */
function isDefault(value: unknown): boolean {
  if (!value || value === 0n) return true
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length === 0
  return typeof value === "object" && Object.values(value).every(isDefault)
}

const sameScalar = (saved: unknown, now: unknown): boolean =>
  saved instanceof Uint8Array && now instanceof Uint8Array ? Buffer.compare(saved, now) === 0 : saved === now

/**
 * Compares two messages of one type, field by field. Absent is the same as 0, false and empty.
 *
 * @param where name of the object, for the texts   @returns one text a difference
 */
export function compareMessages(schema: AnySchema, saved: object, now: object | undefined, how: Comparison, where: string): string[] {
  if (!now) return [`${where}: is missing`]
  const [was, is] = [valuesOf(saved), valuesOf(now)]
  return schema.fields.flatMap((field) => {
    const { name, label } = field
    const rule = how.rules[`${schema.name}.${name}`]
    if (rule?.kind === "ignore" || (isDefault(was[name]) && isDefault(is[name]))) return []
    const at = `${where} ${name}`
    if (was[name] === undefined && !how.complete) return []
    if (rule?.kind === "if-known" && [was[name], is[name]].some(isUnsaid)) return []
    if (label !== "repeated") return compareValues(field, was[name], is[name], how, rule, at)
    return compareLists(field, (was[name] ?? []) as unknown[], (is[name] ?? []) as unknown[], how, rule, at)
  })
}

const withoutZeros = (mask: Uint8Array): Uint8Array => mask.subarray(0, mask.findLastIndex((byte) => byte !== 0) + 1)
const isUnsaid = (value: unknown): boolean => value === undefined || (Array.isArray(value) && value.length === 0)

function compareValues(field: Field, saved: unknown, now: unknown, how: Comparison, rule: Rule | undefined, at: string): string[] {
  if (rule?.kind === "alias") {
    const [a, b] = [saved, now].map((value) => BigInt((value ?? 0) as number | bigint)) as [bigint, bigint]
    return a !== 0n && b !== 0n && how.aliases.unite(rule.space, a, b, rule.apart && !how.complete)
      ? []
      : [`${at}: is shared otherwise than it was`]
  }
  if (rule?.kind === "flags") {
    const [a, b] = [saved, now].map((value) => Number(value ?? 0) & ~rule.without)
    return compareValues(field, a, b, how, undefined, at)
  }
  if (rule?.kind === "text" && [saved, now].every((text) => typeof text === "string")) {
    const [a, b] = [saved, now].map((text) => (text as string).replace(rule.without, ""))
    if (a === b) return []
  }
  if (rule?.kind === "mask" && saved instanceof Uint8Array && now instanceof Uint8Array)
    return compareValues(field, withoutZeros(saved), withoutZeros(now), how, undefined, at)
  if (field.type === "message" && saved !== undefined)
    return compareMessages(field.message(), saved as object, now as object | undefined, how, at)
  return sameScalar(saved, now) ? [] : [`${at}: was ${valueText(saved)}, is ${valueText(now)}`]
}

function compareLists(
  field: Field,
  saved: readonly unknown[],
  now: readonly unknown[],
  how: Comparison,
  rule: Rule | undefined,
  at: string,
): string[] {
  if (rule?.kind === "keyed") {
    const keyOf = (entry: unknown): unknown => rule.by.map((name) => valuesOf(entry as object)[name]).join(" ")
    const pairs = pairUp(saved, now, keyOf)
    return pairs.flatMap(({ key, was, is }) =>
      was === undefined
        ? [`${at} ${key}: was not there, is ${valueText(is)}`]
        : compareValues(field, was, is, how, undefined, `${at} ${key}`),
    )
  }
  if (rule?.kind === "subset") {
    const left = [...now]
    return saved.flatMap((entry) => {
      const found = left.findIndex((other) => compareValues(field, entry, other, how, undefined, at).length === 0)
      if (found < 0) return rule.mayGo(entry as object) ? [] : [`${at}: ${valueText(entry)} is missing`]
      left.splice(found, 1)
      return []
    })
  }
  if (saved.length !== now.length) return [`${at}: had ${saved.length} entries, has ${now.length}: ${valueText(saved)}, ${valueText(now)}`]
  return saved.flatMap((entry, index) => compareValues(field, entry, now[index], how, rule, `${at} ${index}`))
}

/** Entries of two lists that have the same key, in the order of the first; then those that only the second has. */
export function pairUp<T>(
  saved: readonly T[],
  now: readonly T[],
  keyOf: (entry: T) => unknown,
): { readonly key: unknown; readonly was: T | undefined; readonly is: T | undefined }[] {
  const byKey = new Map(now.map((entry) => [keyOf(entry), entry]))
  const known = new Set(saved.map(keyOf))
  return [
    ...saved.map((was) => ({ key: keyOf(was), was, is: byKey.get(keyOf(was)) })),
    ...now.filter((entry) => !known.has(keyOf(entry))).map((is) => ({ key: keyOf(is), was: undefined, is })),
  ]
}
