import { basename } from "node:path"
import { statSync } from "../../ffi/fs.ts"
import { isPlainly } from "../../proto/check.ts"
import { decodeFrom, MessageSource } from "../../proto/decode.ts"
import { CheckpointError } from "../base/errors.ts"
import { hex } from "../base/units.ts"
import { COMMON_MAGIC, catalog, type EntryImage, type EntryKind, type EntryOf, noPayload, SERVICE_MAGIC } from "./catalog.ts"
import { corrupt } from "./failure.ts"
import type { Framed } from "./write.ts"

/** Form of a set's heads: 1 = the kind's word only, 2 = a common word in front. */
export type HeadVersion = 1 | 2

function knownAs(magic: number): string {
  if (magic === COMMON_MAGIC) return "the first word of a version-2 image"
  if (magic === SERVICE_MAGIC) return "the first word of a statistics file"
  for (const row of Object.values(catalog)) if (row.framing !== "raw" && row.magic === magic) return `the word of ${row.file}`
  return "no word of any image"
}

function expectWord(path: string, view: DataView, at: number, expected: number): number {
  if (at + 4 > view.byteLength) throw corrupt(path, `the file ends at byte ${view.byteLength}, inside the words it should begin with`)
  const found = view.getUint32(at, true)
  if (found === expected) return at + 4
  const text = `bytes ${at}-${at + 3} are ${hex(found)} (${knownAs(found)}), not ${hex(expected)} (${knownAs(expected)})`
  if (at > 0 || (expected !== COMMON_MAGIC && found !== COMMON_MAGIC)) throw corrupt(path, text)
  const next = "Restore with the program that wrote the set, or dump again"
  throw new CheckpointError(
    "E_IMAGE_VERSION",
    `Cannot read image ${basename(path)}`,
    `${text}: its version is not that of inventory.img`,
    next,
  )
}

/** Steps over the words at the start. Without a version, either form is taken. */
export function skipHead(path: string, { framing, magic }: EntryImage, view: DataView, version: HeadVersion | undefined): number {
  const common = framing === "service" ? SERVICE_MAGIC : COMMON_MAGIC
  if (framing === "inventory" || version === 1) return expectWord(path, view, 0, magic)
  if (version === undefined && view.byteLength >= 4 && view.getUint32(0, true) === magic) return 4
  return expectWord(path, view, expectWord(path, view, 0, common), magic)
}

/**
 * Entries of an image, each with its payload. Mirror: ./write.ts.
 *
 * @param path for error texts only
 * @param version form of the head; without it, either
 * @throws CheckpointError E_IMAGE_CORRUPT, E_IMAGE_VERSION: names file and byte, what was expected and what is there
 */
export function decodeImage<K extends EntryKind>(kind: K, path: string, bytes: Uint8Array, version?: HeadVersion): Required<Framed<K>>[] {
  return walk<K>(catalog[kind], path, bytes, version)
}

/** Makes sure that bytes are an image, as `decodeImage`, and keeps nothing of it. @throws as `decodeImage` */
export function checkImage(kind: EntryKind, path: string, bytes: Uint8Array, version?: HeadVersion): void {
  const image: EntryImage = catalog[kind]
  if (!areAllPlain(image, bytes, skipHead(path, image, viewOf(bytes), version))) walk(image, path, bytes, version)
}

/**
 * Makes sure that the opening of an image does not wait for a writer, as that of a FIFO does, and that its bytes have an end.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT · FileError ENOENT ...
 */
export function expectFile(path: string): void {
  const stat = statSync(path)
  if (!stat.isFile() && !stat.isDirectory()) throw corrupt(path, "it is a FIFO, a socket or a device")
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView => new DataView(buffer, byteOffset, byteLength)

/** Whether all entries are there, whole, without payloads, and as `isPlainly` says. @param from where the first one begins */
function areAllPlain({ head, entry, headPayload, payload }: EntryImage, bytes: Uint8Array, from: number): boolean {
  if (headPayload !== noPayload || payload !== noPayload) return false
  const view = viewOf(bytes)
  let at = from
  for (let schema = head; at < bytes.length; schema = entry) {
    if (at + 4 > bytes.length) return false
    const start = at + 4
    at = start + view.getUint32(at, true)
    if (at > bytes.length || !isPlainly(schema, bytes, start, at)) return false
  }
  return true
}

const NOTHING = new Uint8Array(0)

function walk<K extends EntryKind>(
  image: EntryImage,
  path: string,
  bytes: Uint8Array,
  version: HeadVersion | undefined,
): Required<Framed<K>>[] {
  const view = viewOf(bytes)
  const source = new MessageSource(bytes)
  const entries: Required<Framed<K>>[] = []
  let at = skipHead(path, image, view, version)
  while (at < bytes.length) {
    const index = entries.length
    const schema = index === 0 ? image.head : image.entry
    if (at + 4 > bytes.length) throw corrupt(path, `the size of entry ${index} at byte ${at} is cut short: ${bytes.length - at} of 4 bytes`)
    const size = view.getUint32(at, true)
    const from = at + 4
    const end = from + size
    const left = bytes.length - from
    if (size > left) throw corrupt(path, `entry ${index} (${schema.name}) at byte ${from} should have ${size} bytes, ${left} are left`)
    const message = attempt(path, `entry ${index} at byte ${from} is no ${schema.name}`, () => decodeFrom(schema, source, from, end))
    const payloadOf = index === 0 ? image.headPayload : image.payload
    const payload = payloadOf === noPayload ? NOTHING : payloadAt(path, index, bytes.subarray(end), end, (rest) => payloadOf(message, rest))
    // The catalog's row is the proof of the type: the schema of `kind` decoded it.
    entries.push({ message: message as EntryOf<K>, payload })
    at = end + payload.length
  }
  return entries
}

/** What follows an entry. @param rest all that follows it   @param at where that begins in the file */
function payloadAt(path: string, index: number, rest: Uint8Array, at: number, lengthIn: (rest: Uint8Array) => number): Uint8Array {
  const length = attempt(path, `the payload of entry ${index} at byte ${at} is damaged`, () => lengthIn(rest))
  if (length > rest.length)
    throw corrupt(path, `the payload of entry ${index} at byte ${at} should have ${length} bytes, ${rest.length} are left`)
  return rest.subarray(0, length)
}

function attempt<T>(path: string, found: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw corrupt(path, found, error)
  }
}
