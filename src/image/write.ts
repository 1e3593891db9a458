import { encode } from "../../proto/encode.ts"
import { COMMON_MAGIC, catalog, type EntryImage, type EntryKind, type EntryOf, SERVICE_MAGIC } from "./catalog.ts"

/** An entry and the bytes that follow it in the file. */
export interface Framed<K extends EntryKind> {
  readonly message: EntryOf<K>
  /** Padding included; as long as the catalog says for this entry. */
  readonly payload?: Uint8Array | undefined
}

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

/** The words a file begins with in a version-2 set. */
function headOf({ framing, magic }: EntryImage): Uint8Array[] {
  if (framing === "inventory") return [word(magic)]
  return [word(framing === "service" ? SERVICE_MAGIC : COMMON_MAGIC), word(magic)]
}

const isFramed = <K extends EntryKind>(item: EntryOf<K> | Framed<K>): item is Framed<K> => "message" in item

/**
 * An image as bytes, in the form of version-2 sets: magic words, then for each entry its size (u32, little endian), its message and its payload.
 *
 * @throws Error a message lacks a required field, or a payload is not as long as its entry says: a defect of the caller
 */
export function encodeImage<K extends EntryKind>(kind: K, entries: readonly (EntryOf<K> | Framed<K>)[]): Uint8Array<ArrayBuffer> {
  const image: EntryImage = catalog[kind]
  const parts = headOf(image)
  for (const [index, item] of entries.entries()) {
    const { message, payload = new Uint8Array(0) } = isFramed(item) ? item : { message: item }
    const body = encode(index === 0 ? image.head : image.entry, message)
    const expected = (index === 0 ? image.headPayload : image.payload)(message, payload)
    if (expected !== payload.length)
      throw new Error(`Unreachable: entry ${index} of ${kind} wants ${expected} bytes of payload, not ${payload.length}`)
    parts.push(word(body.length), body, payload)
  }
  return new Uint8Array(Buffer.concat(parts))
}
