/**
 * Strings of images are bytes: a path or a thread name need not be UTF-8. A byte that is not becomes the lone surrogate
 * U+DC00 + byte and back (the "surrogateescape" of Python, PEP 383), so that every name survives.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
const ESCAPED = /[\udc80-\udcff]/

/** Length of the valid UTF-8 sequence at `at`, 0 when there is none. */
function sequence(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
  if (length === 0 || at + length > bytes.length) return 0
  try {
    strict.decode(bytes.subarray(at, at + length))
    return length
  } catch {
    return 0
  }
}

/** Bytes as text, without loss. */
export function textOf(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes)
  } catch {
    let text = ""
    for (let at = 0; at < bytes.length; ) {
      const length = sequence(bytes, at)
      text += length > 0 ? strict.decode(bytes.subarray(at, at + length)) : String.fromCharCode(0xdc00 + bytes[at]!)
      at += Math.max(length, 1)
    }
    return text
  }
}

/** The bytes that `textOf` read. */
export function bytesOf(text: string): Uint8Array {
  if (!ESCAPED.test(text)) return encoder.encode(text)
  const parts: number[] = []
  // Iterates by code point, so that the low half of a proper surrogate pair is never taken for an escape.
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00)
    else parts.push(...encoder.encode(character))
  }
  return Uint8Array.from(parts)
}
