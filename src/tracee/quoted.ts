/** Bytes that are no text are cut after this many, as strace does it. */
const SHOWN_BYTES = 32

/** Text in full, as paths are looked for; other bytes up to SHOWN_BYTES. */
export function quoted(bytes: Uint8Array): string {
  const isText = bytes.at(-1) === 0 && bytes.subarray(0, -1).every((byte) => byte >= 0x20)
  const shown = isText ? bytes : bytes.subarray(0, SHOWN_BYTES)
  return JSON.stringify(Buffer.from(shown).toString("latin1")) + (shown.length < bytes.length ? "..." : "")
}
