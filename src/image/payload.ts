import { decode } from "../../proto/decode.ts"
import type { ghost_file_entry } from "../../proto/gen/ghost-file_pb.ts"
import { ipc_msgSchema } from "../../proto/gen/ipc-msg_pb.ts"

const S_IFMT = 0o170000
const S_IFREG = 0o100000

/** Rounds bytes up to a multiple of `to`. */
export const padded = (bytes: number, to: number): number => Math.ceil(bytes / to) * to

/** Contents of a ghost file follow its entry only when it is a regular file stored in one piece: up to the end of the image. */
export const ghostLength = ({ chunks, mode }: ghost_file_entry, rest: Pick<Uint8Array, "length">): number =>
  chunks || (mode & S_IFMT) !== S_IFREG ? 0 : rest.length

/** A queue of SysV messages: each a size word, an ipc_msg and the text, zero-padded to 8 bytes. */
export function messagesLength(count: number, rest: Uint8Array): number {
  const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength)
  let at = 0
  for (let message = 0; message < count; message++) {
    if (at + 4 > rest.length) return at + 4
    const size = view.getUint32(at, true)
    const end = at + 4 + size
    if (end > rest.length) return end
    at = end + padded(decode(ipc_msgSchema, rest.subarray(at + 4, end)).msize, 8)
  }
  return at
}
