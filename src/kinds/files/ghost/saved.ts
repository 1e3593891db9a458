import { S_IF } from "../../../../ffi/abi/file.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { ghost_chunk_entry, ghost_file_entry } from "../../../../proto/gen/ghost-file_pb.ts"
import { type remap_file_path_entry, remap_type } from "../../../../proto/gen/remap-file-path_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import type { Ghost, GhostImage } from "../images.ts"
import { kindOf } from "../stat.ts"

/** Images before `remap_type`: this bit of remap_id says that it is a ghost. Authority: REFERENCE 5.3 */
const OLD_GHOST = 2 ** 31

const corrupt = (id: number, found: string): CheckpointError => damagedImage(`Cannot restore file ${id} of files.img`, found)

/**
 * The deleted files of a set, by the ids of all files that lead to them.
 *
 * @param parts ghost-file-N.img
 * @throws CheckpointError E_IMAGE_CORRUPT
 */
export function savedGhosts(
  remaps: readonly remap_file_path_entry[],
  files: ReadonlyMap<number, file_entry>,
  parts: (number: number) => GhostImage,
): Map<number, Ghost> {
  const known = new Map<number, Ghost>()
  const found = new Map<number, Ghost>()
  for (const { orig_id: id, remap_id, remap_type: kind } of remaps) {
    const isGhost = kind === undefined ? remap_id >= OLD_GHOST : kind === remap_type.GHOST
    const name = files.get(id)?.reg?.name
    if (name === undefined) throw corrupt(id, "remap-fpath.img has more of it, but files.img has no such regular file")
    if (!name.startsWith("/")) throw corrupt(id, `"${name}" is no absolute path`)
    if (kind === remap_type.LINKED || (kind === undefined && !isGhost)) {
      found.set(id, linkedFile(id, remap_id, files))
      continue
    }
    if (!isGhost) continue
    const number = kind === undefined ? remap_id - OLD_GHOST : remap_id
    found.set(
      id,
      known.getOrInsertComputed(number, () => savedGhost(id, number, parts(number))),
    )
  }
  return found
}

/** Its number is none that a ghost has. */
function linkedFile(id: number, source: number, files: ReadonlyMap<number, file_entry>): Ghost {
  const reg = files.get(source)?.reg
  if (!reg) throw corrupt(id, `it has the name of file ${source}, which files.img does not have`)
  return {
    number: OLD_GHOST + source,
    source: reg.name,
    entry: { uid: 0, gid: 0, mode: reg.mode ?? S_IF.REG },
    size: 0n,
    image: "",
    pieces: [],
  }
}

function savedGhost(id: number, number: number, { path, entries: [head, ...rest] }: GhostImage): Ghost {
  const name = `ghost-file-${number.toString(16)}.img`
  if (!head)
    throw new CheckpointError("E_IMAGE_MISSING", `Cannot restore file ${id} of files.img`, `${name} is missing`, "Use a complete image set")
  const entry = head.message as ghost_file_entry
  if (kindOf(entry.mode) !== S_IF.REG || !entry.chunks)
    return { number, entry, size: BigInt(head.length), image: path, pieces: [{ offset: 0n, at: head.at, length: head.length }] }
  const pieces = rest.map(({ message, at, length }) => ({ offset: (message as ghost_chunk_entry).off, at, length }))
  const endOf = ({ offset, length }: (typeof pieces)[number]): bigint => offset + BigInt(length)
  const size = entry.size ?? pieces.reduce((end, one) => (endOf(one) > end ? endOf(one) : end), 0n)
  if (pieces.some((one) => endOf(one) > size)) throw corrupt(id, `${name} has data past its size of ${size} bytes`)
  return { number, entry, size, image: path, pieces }
}
