import { dirname } from "node:path"
import { statfsStruct } from "../../../ffi/abi/file.ts"
import { decode } from "../../../ffi/layout.ts"
import { allocate, attempt, isFailure, pathArgument } from "../../../ffi/syscall.ts"

const memory = allocate(4096)

/**
 * CRIU's limit, which is always kept to at least, and the most that is kept without being asked for: the program stands still while it is
 * copied, for half a second a GiB or longer. Bytes.
 */
const [LEAST, MOST] = [1 << 20, 1 << 30]

/**
 * Most bytes that a deleted file may have stored where the user names no limit: a quarter of what is free where the images go.
 *
 * @param imagesDir it, or its parent, may not be there yet. Man page: statfs(2)
 */
export function ghostLimitFor(imagesDir: string): number {
  for (const path of [imagesDir, dirname(imagesDir)]) {
    if (isFailure(attempt("statfs", pathArgument(path), memory.address))) continue
    const { f_bsize, f_bavail } = decode(statfsStruct, memory.bytes)
    return Math.min(Math.max(LEAST, Number((f_bsize * f_bavail) / 4n)), MOST)
  }
  return LEAST
}
