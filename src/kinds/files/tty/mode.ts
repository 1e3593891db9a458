import { NCCS, TERMIOS_CC, termios, winsize } from "../../../../ffi/abi/tty.ts"
import { decode, encode } from "../../../../ffi/layout.ts"
import type { termios_entry, winsize_entry } from "../../../../proto/gen/tty_pb.ts"

/** Elements of c_cc in images, and how many of them hold bytes. */
const CC_ELEMENTS = 19
const CC_WORDS = 8

/** struct termios -> its entry. Speeds are 0 in images: they are in c_cflag. Bytes of c_cc stand four in a word, little end first. */
export function termiosEntry(mode: Uint8Array): termios_entry {
  const { c_iflag, c_oflag, c_cflag, c_lflag, c_line } = decode(termios, mode)
  const bytes = new Uint8Array(CC_WORDS * 4)
  bytes.set(mode.subarray(TERMIOS_CC, TERMIOS_CC + NCCS))
  const c_cc = Array.from({ length: CC_ELEMENTS }, (_, at) => (at < CC_WORDS ? new DataView(bytes.buffer).getUint32(at * 4, true) : 0))
  return { c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_ispeed: 0, c_ospeed: 0, c_cc }
}

/** Bytes of c_cc that the kernel knows. */
export const controlCharacters = ({ c_cc }: termios_entry): Uint8Array => new Uint8Array(Uint32Array.from(c_cc).buffer).slice(0, NCCS)

/**
 * The mode as TCSETS and TIOCSLCKTRMIOS take it. Mirror: termiosEntry.
 *
 * @param characters other control characters than the entry's
 */
export function termiosBytes(mode: termios_entry, characters: Uint8Array = controlCharacters(mode)): Uint8Array {
  const { c_iflag, c_oflag, c_cflag, c_lflag, c_line } = mode
  const bytes = encode(termios, { c_iflag, c_oflag, c_cflag, c_lflag, c_line })
  bytes.set(characters, TERMIOS_CC)
  return bytes
}

/** A size as TIOCSWINSZ takes it. */
export const winsizeBytes = ({ ws_row, ws_col, ws_xpixel, ws_ypixel }: winsize_entry): Uint8Array =>
  encode(winsize, { ws_row, ws_col, ws_xpixel, ws_ypixel })
