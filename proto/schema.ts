/**
 * What the generated files consist of: a message type as a plain table, and an interface with CRIU's own field names.
 *
 * The bytes themselves are written and read by @bufbuild/protobuf/wire. Why not the rest of protobuf-es at run time: it parses every
 * descriptor when a file is imported, which costs a compiled binary 14 ms before the first entry, longer than CRIU needs for a whole
 * small dump. A table costs nothing until it is used. Tests hold the walk over the table against protobuf-es, message by message.
 */

/** Types of proto2 that image files use. */
export type ScalarType = "bool" | "bytes" | "string" | "int32" | "int64" | "uint32" | "uint64" | "sint32" | "sint64" | "fixed64"
export type Label = "required" | "optional" | "repeated"

interface FieldBase {
  /** Number on the wire. */
  readonly number: number
  /** Name in CRIU's format, and of the property. */
  readonly name: string
  readonly label: Label
}
export interface ScalarField extends FieldBase {
  readonly type: ScalarType
  /** What absence means, where the format says so. Never filled in by decoding: the property stays undefined. */
  readonly default?: boolean | number
}
export interface EnumField extends FieldBase {
  readonly type: "enum"
  /** Number to name and name to number. */
  readonly values: Readonly<Record<string, string | number>>
  readonly default?: number
}
export interface MessageField extends FieldBase {
  readonly type: "message"
  /** A function, because messages may contain themselves. */
  readonly message: () => AnySchema
}
export type Field = ScalarField | EnumField | MessageField

declare const shape: unique symbol
/** A message type. `T` is its interface: 64-bit fields are bigint, all other numbers are number, bytes are Uint8Array. */
export interface Schema<T extends object> {
  readonly name: string
  readonly fields: readonly Field[]
  readonly [shape]?: T
}
export type AnySchema = Schema<object>

/** A table that is made when it is first used: a run meets a quarter of the 150 messages. */
class Table<T extends object> implements Schema<T> {
  private made: readonly Field[] | undefined
  constructor(
    readonly name: string,
    private readonly make: () => readonly Field[],
  ) {}
  get fields(): readonly Field[] {
    if (this.made === undefined) this.made = this.make()
    return this.made
  }
}
export const schema = <T extends object>(name: string, fields: () => readonly Field[]): Schema<T> => new Table(name, fields)

/** The interface of a schema. */
export type MessageOf<S> = S extends Schema<infer T> ? T : never

type Lists<T> = { [K in keyof T]-?: T[K] extends readonly unknown[] ? K : never }[keyof T]
/** What `create` asks for: every required field; lists may be left out. */
export type Init<T> = Omit<T, Lists<T>> & Partial<Pick<T, Lists<T>>>

/** Makes a message, with an empty list for each repeated field that is not given. */
export function create<T extends object>(schema: Schema<T>, init: Init<NoInfer<T>>): T {
  const message: Record<string, unknown> = { ...init }
  for (const { label, name } of schema.fields) if (label === "repeated") message[name] ??= []
  return message as T
}

/** A message as names and values, for code that walks any message through its schema. */
export const valuesOf = (message: object): Readonly<Record<string, unknown>> => message as Readonly<Record<string, unknown>>
