import { readSync } from "../../ffi/fs.ts"

/**
 * Reads until `into` is full or the file ends: one `readSync` gives 256 KiB at most, and less where a file system likes.
 *
 * @param at bytes from the beginning of the file
 * @returns bytes read into the front of `into`   @throws FileError
 */
export function readFully(fd: number, into: Uint8Array, at: number): number {
  let done = 0
  for (let got = -1; got !== 0 && done < into.length; done += got) got = readSync(fd, into, done, into.length - done, at + done)
  return done
}
