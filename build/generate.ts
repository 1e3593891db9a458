/**
 * Makes proto/gen/*_pb.ts from proto/*.proto: `npm run generate`. Works offline; a second run changes nothing.
 *
 * buf checks and links the .proto files; protobuf-es reads its answer; what is written are the plain tables of proto/schema.ts.
 */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  fromBinary,
  ScalarType,
} from "@bufbuild/protobuf"
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"

const root = join(import.meta.dir, "..")
const target = join(root, "proto/gen")

const TYPESCRIPT: Partial<Record<ScalarType, string>> = {
  [ScalarType.BOOL]: "boolean",
  [ScalarType.BYTES]: "Uint8Array",
  [ScalarType.STRING]: "string",
  [ScalarType.INT32]: "number",
  [ScalarType.UINT32]: "number",
  [ScalarType.SINT32]: "number",
  [ScalarType.INT64]: "bigint",
  [ScalarType.UINT64]: "bigint",
  [ScalarType.SINT64]: "bigint",
  [ScalarType.FIXED64]: "bigint",
}
const labelOf = ({ proto, fieldKind }: DescField): string =>
  fieldKind === "list" ? "repeated" : ["", "optional", "required", "repeated"][proto.label]!

/** Comments in front of the element at `path` of a descriptor, as lines. */
function comment(file: DescFile, path: readonly number[], indent: string, more: readonly string[] = []): string[] {
  const location = file.proto.sourceCodeInfo?.location.find((at) => at.path.join() === path.join())
  const lines = [...(location?.leadingComments.trimEnd().split("\n") ?? []).map((line) => line.trim()).filter((line) => line), ...more]
  if (lines.length === 0) return []
  if (lines.length === 1) return [`${indent}/** ${lines[0]} */`]
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`]
}

const enumName = ({ name, parent }: DescEnum): string => (parent ? `${parent.name}_${name}` : name)

function typeName(field: DescField): string {
  const { enum: values, message, scalar } = field
  if (values) return enumName(values)
  if (message) return message.name
  const type = scalar && TYPESCRIPT[scalar]
  if (!type) throw new Error(`${field}: type ${scalar} is not in proto/schema.ts`)
  return type
}

function enumLines(file: DescFile, values: DescEnum, path: readonly number[]): string[] {
  return [
    ...comment(file, path, ""),
    `export enum ${enumName(values)} {`,
    ...values.values.map(({ name, number }) => `  ${name} = ${number},`),
    "}",
    "",
  ]
}

function tableLine(field: DescField): string {
  const { name, number, message, enum: values, scalar, proto } = field
  const type = message ? "message" : values ? "enum" : ScalarType[scalar!].toLowerCase()
  const text = proto.defaultValue
  const standard = values && text ? `${enumName(values)}.${text}` : text
  const parts = [`number: ${number}`, `name: "${name}"`, `type: "${type}"`, `label: "${labelOf(field)}"`]
  if (message) parts.push(`message: () => ${message.name}Schema`)
  if (values) parts.push(`values: ${enumName(values)}`)
  if (standard) parts.push(`default: ${standard}`)
  return `  { ${parts.join(", ")} },`
}

function messageLines(file: DescFile, message: DescMessage, index: number): string[] {
  const { name } = message
  // By number: the order of the wire, which protobuf implementations agree on.
  const fields = message.fields.toSorted((a, b) => a.number - b.number)
  const lines = message.nestedEnums.flatMap((values, at) => enumLines(file, values, [4, index, 4, at]))
  lines.push(...comment(file, [4, index], ""), `export interface ${name} {`)
  for (const field of fields) {
    const at = message.fields.indexOf(field)
    const { label, defaultValue } = { label: labelOf(field), defaultValue: field.proto.defaultValue }
    const absent = defaultValue && label === "optional" ? [`Absent means ${defaultValue}.`] : []
    lines.push(...comment(file, [4, index, 2, at], "  ", absent))
    lines.push(`  ${field.name}${label === "optional" ? "?" : ""}: ${typeName(field)}${label === "repeated" ? "[]" : ""}`)
  }
  lines.push("}", `export const ${name}Schema: Schema<${name}> = schema("${name}", () => [`, ...fields.map(tableLine), "])", "")
  return lines
}

function importLines(file: DescFile): string[] {
  const lines = ['import { type Schema, schema } from "../schema.ts"']
  const used = new Map<string, Set<string>>()
  for (const { message, enum: values } of file.messages.flatMap(({ fields }) => fields)) {
    const other = (message ?? values)?.file
    if (!other || other === file) continue
    const names = used.get(other.name) ?? new Set()
    used.set(other.name, names)
    if (message) names.add(`type ${message.name}`).add(`${message.name}Schema`)
    if (values) names.add(enumName(values))
  }
  for (const [name, names] of [...used].sort()) lines.push(`import { ${[...names].sort().join(", ")} } from "./${name}_pb.ts"`)
  return lines
}

const built = Bun.spawnSync([join(root, "node_modules/.bin/buf"), "build", "proto", "-o", "-#format=binpb"], { cwd: root })
if (built.exitCode !== 0) {
  process.stderr.write(built.stderr)
  process.exit(1)
}
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, built.stdout))
mkdirSync(target, { recursive: true })
for (const stale of readdirSync(target)) rmSync(join(target, stale))
for (const file of registry.files) {
  const source = `// Made from proto/${file.name}.proto by build/generate.ts. Not to be edited.`
  const enums = file.enums.flatMap((values, at) => enumLines(file, values, [5, at]))
  const messages = file.messages.flatMap((message, at) => messageLines(file, message, at))
  writeFileSync(join(target, `${file.name}_pb.ts`), [source, ...importLines(file), "", ...enums, ...messages].join("\n"))
}
console.log(`proto/gen: ${[...registry.files].length} files`)
