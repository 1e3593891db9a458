import { putMessage } from "../../proto/encode.ts"
import { Output } from "../../proto/output.ts"
import { COMMON_MAGIC, catalog, type EntryImage, type EntryKind, type EntryOf, SERVICE_MAGIC } from "./catalog.ts"

const NOTHING = new Uint8Array(0)

/** An entry and the bytes that follow it in the file. */
export interface Framed<K extends EntryKind> {
  readonly message: EntryOf<K>
  /** Padding included; as long as the catalog says for this entry. */
  readonly payload?: Uint8Array | undefined
}

/** The words a file begins with in a version-2 set. */
function headOf({ framing, magic }: EntryImage): number[] {
  if (framing === "inventory") return [magic]
  return [framing === "service" ? SERVICE_MAGIC : COMMON_MAGIC, magic]
}

/** Shared by all images: nothing is written between the begin of one and its end. */
const output = new Output(64 * 1024)

const isFramed = <K extends EntryKind>(item: EntryOf<K> | Framed<K>): item is Framed<K> => "message" in item

/** Appends an entry with its size, and in front of the first one the words of the image. */
function putFrame(image: EntryImage, index: number, message: object): void {
  if (index === 0) for (const magic of headOf(image)) output.u32(magic)
  const start = output.beginSized()
  putMessage(output, index === 0 ? image.head : image.entry, message)
  output.endSized(start)
}

/** One entry as bytes, without its payload: see `encodeImage`. */
export function encodeFrame<K extends EntryKind>(kind: K, index: number, message: EntryOf<K>): Uint8Array<ArrayBuffer> {
  output.length = 0
  putFrame(catalog[kind], index, message)
  return output.take()
}

/**
 * An image as bytes, in the form of version-2 sets: magic words, then for each entry its size (u32, little endian), its message and its
 * payload.
 *
 * @throws Error a message lacks a required field, or a payload is not as long as its entry says: a defect of the caller
 */
export function encodeImage<K extends EntryKind>(kind: K, entries: readonly (EntryOf<K> | Framed<K>)[]): Uint8Array<ArrayBuffer> {
  const image: EntryImage = catalog[kind]
  output.length = 0
  if (entries.length === 0) for (const magic of headOf(image)) output.u32(magic)
  for (const [index, item] of entries.entries()) {
    const { message, payload = NOTHING } = isFramed(item) ? item : { message: item }
    putFrame(image, index, message)
    const expected = (index === 0 ? image.headPayload : image.payload)(message, payload)
    if (expected !== payload.length)
      throw new Error(`Unreachable: entry ${index} of ${kind} wants ${expected} bytes of payload, not ${payload.length}`)
    output.raw(payload)
  }
  return output.take()
}
