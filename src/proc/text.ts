/** Lone surrogates U+DC80..U+DCFF carry the bytes 80..ff that are not valid UTF-8, as Python's "surrogateescape" does. */
const ESCAPE = 0xdc00

/**
 * Bytes of the kernel (names, paths) as a string from which `encodeText` makes the same bytes again.
 *
 * Valid UTF-8 is decoded as such; if any byte is not part of valid UTF-8, every byte above 0x7f becomes a lone surrogate,
 * so that `text.isWellFormed()` tells whether the name can go into a protobuf string.
 */
export function decodeBytes(bytes: Buffer): string {
  const text = bytes.toString("utf8")
  // What is no UTF-8 becomes U+FFFD, which may also stand there by itself. Not isUtf8: node:buffer is slow to load.
  if (!text.includes("\ufffd") || bytes.equals(Buffer.from(text, "utf8"))) return text
  return bytes.toString("latin1").replace(/[\x80-\xff]/g, (byte) => String.fromCharCode(ESCAPE | byte.charCodeAt(0)))
}

/** The bytes that `decodeBytes` was given. */
export function encodeText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, "utf8")
  const parts = text.split(/([\udc80-\udcff])/)
  return Buffer.concat(parts.map((part, index) => (index % 2 === 1 ? Buffer.of(part.charCodeAt(0) & 0xff) : Buffer.from(part, "utf8"))))
}

/**
 * Undoes the kernel's octal and letter escapes: "\012" and "\n" are a newline, "\\" a backslash; any other backslash stays.
 * Kernel: lib/string_helpers.c string_escape_mem(), fs/seq_file.c mangle_path()
 */
export function decodeEscapes(text: string): string {
  if (!text.includes("\\")) return text
  return text.replace(/\\(?:([0-3][0-7]{2})|n|\\)/g, (found, octal: string | undefined) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
    return found === "\\n" ? "\n" : "\\"
  })
}

/** Words between blanks (spaces and tabs); none for a blank text. */
export function words(text: string): string[] {
  const trimmed = text.trim()
  return trimmed === "" ? [] : trimmed.split(/[ \t]+/)
}

/** Lines without their newline; a missing last newline is allowed. */
export function lines(text: string): string[] {
  const all = text.split("\n")
  if (all.at(-1) === "") all.pop()
  return all
}

/** What the kernel writes behind the path of a name that is gone. */
export const DELETED = " (deleted)"

/** A path of the kernel without its " (deleted)", and whether it had one. */
export function cutDeleted(path: string): { readonly path: string; readonly deleted: boolean } {
  return path.endsWith(DELETED) ? { path: path.slice(0, -DELETED.length), deleted: true } : { path, deleted: false }
}
