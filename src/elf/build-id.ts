import { NT_GNU_BUILD_ID, PT_NOTE, SHT_NOTE } from "./constants.ts"
import type { Elf } from "./open.ts"
import { readView } from "./source.ts"

/** Bytes of all notes of one segment; real ones have a few hundred. */
const NOTES_LIMIT = 1024n * 1024n

/** The GNU build ID, usually 20 bytes; null when the file has none. Looked for in PT_NOTE, then in note sections. */
export function buildId(elf: Elf): Uint8Array | null {
  for (const segment of elf.segments) {
    const offset = segment.type === PT_NOTE && segment.fileSize <= NOTES_LIMIT ? elf.placeOf(segment) : null
    const found = offset === null ? null : buildIdIn(readView(elf.read, offset, segment.fileSize), segment.align)
    if (found) return found
  }
  for (const { type, offset, size } of elf.sections) {
    const found = type === SHT_NOTE && size <= NOTES_LIMIT ? buildIdIn(readView(elf.read, offset, size), 4n) : null
    if (found) return found
  }
  return null
}

/** Notes: u32 name size, content size, type; name and content each padded to 4 bytes, in segments aligned to 8 to 8. */
function buildIdIn(notes: DataView | null, align: bigint): Uint8Array | null {
  if (!notes) return null
  const unit = align === 8n ? 8 : 4
  const up = (value: number) => Math.ceil(value / unit) * unit
  for (let at = 0; at + 12 <= notes.byteLength; ) {
    const nameSize = notes.getUint32(at, true)
    const size = notes.getUint32(at + 4, true)
    const content = up(at + 12 + nameSize)
    const gnu = nameSize === 4 && at + 16 <= notes.byteLength && notes.getUint32(at + 12, true) === 0x00554e47 // "GNU\0"
    if (gnu && notes.getUint32(at + 8, true) === NT_GNU_BUILD_ID)
      return content + size <= notes.byteLength ? new Uint8Array(notes.buffer, notes.byteOffset + content, size).slice() : null
    at = up(content + size)
  }
  return null
}
