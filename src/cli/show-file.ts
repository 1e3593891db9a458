import { basename, dirname, join } from "node:path"
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "../../ffi/fs.ts"
import type { pagemap_head } from "../../proto/gen/pagemap_pb.ts"
import { CheckpointError } from "../base/errors.ts"
import { PAGE_SIZE } from "../base/units.ts"
import { COMMON_MAGIC, catalog, type EntryImage, type EntryKind, isEntryKind, type Kind, SERVICE_MAGIC } from "../image/catalog.ts"
import { readFailure } from "../image/failure.ts"
import { imageOf } from "../image/name.ts"
import { decodeImage } from "../image/read.ts"
import { readImage } from "../image/set.ts"
import { type GhostEntry, readGhost } from "../image/streamed.ts"
import { type Json, messageJson } from "./show-json.ts"
import { bytesText, flatLines, isFlat, messageLines } from "./show-value.ts"
import { sizeWords } from "./show-words.ts"

/** Kind of a renamed image, by the words it begins with. Pagemaps of both kinds look the same. */
function kindOfBytes(bytes: Uint8Array): EntryKind | undefined {
  if (bytes.length < 4) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const first = view.getUint32(0, true)
  const common = first === COMMON_MAGIC || first === SERVICE_MAGIC
  const magic = common && bytes.length >= 8 ? view.getUint32(4, true) : first
  return (Object.keys(catalog) as Kind[]).filter(isEntryKind).find((kind) => catalog[kind].magic === magic)
}

function kindOf(path: string): Kind {
  const named = imageOf(basename(path))?.kind
  if (named !== undefined) return named
  // A file of another name may be anything, so only what tells its kind is read.
  const bytes = new Uint8Array(8)
  const fd = openSync(path, "r")
  const length = readSync(fd, bytes, 0, bytes.length, null)
  closeSync(fd)
  const found = kindOfBytes(bytes.subarray(0, length))
  if (found) return found
  const next = 'Name a directory with images, or a file as a dump names it, for example "core-12.img"'
  throw new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    `Cannot show ${path}`,
    "neither its name nor its first bytes are those of an image",
    next,
  )
}

/** Pagemaps beside a pages file that name it. */
function pagemapsOf(path: string, pagesId: bigint | string | undefined): string[] {
  const directory = dirname(path)
  return readdirSync(directory).filter((name) => {
    const image = imageOf(name)
    if (image?.kind !== "pagemap" && image?.kind !== "pagemap-shmem") return false
    const head = decodeImage(image.kind, name, readImage(join(directory, name)))[0]?.message as pagemap_head | undefined
    return head !== undefined && BigInt(head.pages_id) === pagesId
  })
}

function showRaw(path: string, kind: Kind, json: boolean): string {
  const name = basename(path)
  const { size } = statSync(path)
  if (kind === "pages") {
    const pages = size / PAGE_SIZE
    const pagemaps = pagemapsOf(path, imageOf(name)?.id)
    if (json) return JSON.stringify({ file: name, kind, size, pages, pagemaps })
    const owner = pagemaps.length > 0 ? `named by ${pagemaps.join(", ")}` : "named by no pagemap of this directory"
    return `${name}: ${pages} pages of ${PAGE_SIZE} bytes (${sizeWords(size)}), ${owner}`
  }
  if (json) return JSON.stringify({ file: name, kind, size })
  const bytes = readImage(path)
  return `${name}: no entries, the data of another program\n  ${bytesText(bytes)}`
}

/** Bytes of a deleted file's image from which on what follows an entry is not read. */
const LARGE = 64 << 20

/** What is shown of an entry, with what follows it: its bytes, or where they stand. */
interface Shown {
  readonly message: object
  readonly payload: Uint8Array | Pick<GhostEntry, "at" | "length">
}

/** An entry as JSON; a payload is hexadecimal text under "payload", or its place in the file. */
function entryJson(image: EntryImage, index: number, { message, payload }: Shown): Json {
  const value = messageJson(index === 0 ? image.head : image.entry, message)
  if (payload.length === 0) return { message: value }
  if (payload instanceof Uint8Array) return { message: value, payload: payload.toHex() }
  return { message: value, payload_at: payload.at, payload_length: payload.length }
}

const payloadText = (payload: Shown["payload"]): string =>
  payload instanceof Uint8Array ? bytesText(payload) : `${payload.length} bytes from byte ${payload.at} of the file`

/** Every entry under its number; entries without payload that fit a line as one line each. */
function entryLines({ head, entry }: EntryImage, entries: readonly Shown[]): string[] {
  if (entries.length > 1 && isFlat(head) && isFlat(entry) && entries.every(({ payload }) => payload.length === 0)) {
    const messages = entries.map(({ message }) => message)
    if (head === entry) return flatLines(entry, messages, String, "  ")
    return [...flatLines(head, messages.slice(0, 1), String, "  "), ...flatLines(entry, messages.slice(1), (at) => String(at + 1), "  ")]
  }
  return entries.flatMap(({ message, payload }, index) => {
    const schema = index === 0 ? head : entry
    const rest = payload.length > 0 ? [`  payload ${payloadText(payload)}`] : []
    return ["", `${index} ${schema.name}`, ...messageLines(schema, message, "  "), ...rest]
  })
}

/** Every entry of an image, and its size in bytes. */
function readEntries(kind: EntryKind, path: string): { size: number; entries: readonly Shown[] } {
  const size = kind === "ghost-file" && existsSync(path) ? statSync(path).size : 0
  if (size > LARGE) return { size, entries: readGhost(path).map((entry) => ({ message: entry.message, payload: entry })) }
  const bytes = readImage(path)
  return { size: bytes.length, entries: decodeImage(kind, path, bytes) }
}

/**
 * One image, whole, for people or as JSON (see ./show-json.ts for how values are written).
 *
 * @throws CheckpointError E_IMAGE_CORRUPT, E_IMAGE_UNSUPPORTED, E_DIRECTORY
 */
export function showFile(path: string, json: boolean): string {
  try {
    const kind = kindOf(path)
    if (!isEntryKind(kind)) return showRaw(path, kind, json)
    const image: EntryImage = catalog[kind]
    const name = basename(path)
    const { size, entries } = readEntries(kind, path)
    if (json) {
      const list = entries.map((entry, index) => entryJson(image, index, entry))
      return JSON.stringify({ file: name, kind, size, entries: list }, undefined, 2)
    }
    return [
      `${name}: ${kind}, ${entries.length} ${entries.length === 1 ? "entry" : "entries"}, ${size} bytes`,
      ...entryLines(image, entries),
    ].join("\n")
  } catch (error) {
    throw readFailure(`Cannot show ${path}`, error)
  }
}
