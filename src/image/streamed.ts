import { closeSync, fstatSync, ftruncateSync, openSync, writeAll } from "../../ffi/fs.ts"
import { decode } from "../../proto/decode.ts"
import type { ghost_chunk_entry, ghost_file_entry } from "../../proto/gen/ghost-file_pb.ts"
import { errnoOf } from "../base/errno.ts"
import { readFully } from "../base/read-fully.ts"
import { catalog, type EntryImage, type EntryKind, type EntryOf } from "./catalog.ts"
import { corrupt, missing, readFailure } from "./failure.ts"
import { ghostLength } from "./payload.ts"
import { expectFile, type HeadVersion, skipHead } from "./read.ts"
import { encodeFrame } from "./write.ts"

/** Bytes that whoever has them copies into an image: they never lie in memory, of which there may be too little. */
export interface Source {
  /** Bytes. What is missing at the end of it is zeros in the image. */
  readonly length: number
  /** @param at where in the file they go, bytes */
  copyTo(fd: number, at: number): void
}

/** An entry and what follows it. */
export interface Streamed<K extends EntryKind> {
  readonly message: EntryOf<K>
  readonly payload: Uint8Array | Source
}

/** Of an image that was streamed, what came from memory and where it stands: what can be looked at again. Bytes. */
export interface StreamedParts {
  readonly size: number
  readonly parts: readonly { readonly at: number; readonly bytes: Uint8Array }[]
}

/** Writes an image whose payloads may be of any size. @param fd of an empty file @throws FileError, and what a source throws */
export function writeStreamed<K extends EntryKind>(fd: number, kind: K, entries: readonly Streamed<K>[]): StreamedParts {
  const parts: StreamedParts["parts"][number][] = []
  let at = 0
  const write = (bytes: Uint8Array): void => {
    writeAll(fd, bytes, at)
    parts.push({ at, bytes })
    at += bytes.length
  }
  for (const [index, { message, payload }] of entries.entries()) {
    write(encodeFrame(kind, index, message))
    if (payload instanceof Uint8Array) write(payload)
    else {
      payload.copyTo(fd, at)
      at += payload.length
    }
  }
  ftruncateSync(fd, at)
  return { size: at, parts }
}

/** An entry of a ghost image, and where in the file the bytes behind it stand. */
export interface GhostEntry {
  readonly message: ghost_file_entry | ghost_chunk_entry
  readonly at: number
  readonly length: number
}

/** Bytes of the words that an image begins with, at most. */
const HEAD = 8

/**
 * The entries of a ghost image, of which only they are read: it may be larger than memory.
 *
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT, E_IMAGE_VERSION, E_DIRECTORY, E_IO
 */
export function readGhost(path: string, version?: HeadVersion): GhostEntry[] {
  try {
    expectFile(path)
    const fd = openSync(path, "r")
    try {
      return walk(fd, path, version)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw missing(path, error)
    throw readFailure(`Cannot read ${path}`, error)
  }
}

function walk(fd: number, path: string, version: HeadVersion | undefined): GhostEntry[] {
  const image: EntryImage = catalog["ghost-file"]
  const { size: total } = fstatSync(fd)
  const bytesAt = (at: number, length: number): DataView => {
    const bytes = new Uint8Array(length)
    return new DataView(bytes.buffer, 0, readFully(fd, bytes, at))
  }
  const entries: GhostEntry[] = []
  let at = skipHead(path, image, bytesAt(0, Math.min(HEAD, total)), version)
  while (at < total) {
    const index = entries.length
    const { name } = index === 0 ? image.head : image.entry
    if (at + 4 > total) throw corrupt(path, `the size of entry ${index} at byte ${at} is cut short: ${total - at} of 4 bytes`)
    const size = bytesAt(at, 4).getUint32(0, true)
    const from = at + 4
    if (size > total - from)
      throw corrupt(path, `entry ${index} (${name}) at byte ${from} should have ${size} bytes, ${total - from} are left`)
    const message = entryOf(path, index, from, bytesAt(from, size))
    const rest = total - from - size
    const length = index === 0 ? ghostLength(message as ghost_file_entry, { length: rest }) : Number((message as ghost_chunk_entry).len)
    if (length > rest)
      throw corrupt(path, `the payload of entry ${index} at byte ${from + size} should have ${length} bytes, ${rest} are left`)
    entries.push({ message, at: from + size, length })
    at = from + size + length
  }
  return entries
}

function entryOf(path: string, index: number, from: number, { buffer, byteLength }: DataView): GhostEntry["message"] {
  const { head, entry } = catalog["ghost-file"]
  const bytes = new Uint8Array(buffer as ArrayBuffer, 0, byteLength)
  try {
    return index === 0 ? decode(head, bytes) : decode(entry, bytes)
  } catch (error) {
    throw corrupt(path, `entry ${index} at byte ${from} is no ${(index === 0 ? head : entry).name}`, error)
  }
}
