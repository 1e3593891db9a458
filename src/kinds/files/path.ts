import { allocate, SyscallError } from "../../../ffi/syscall.ts"
import { bytesOf } from "../../../proto/text.ts"

const PATH_MAX = 4096
const rooms = allocate(2 * PATH_MAX)

/**
 * Lays a path, whatever bytes it has, before the kernel.
 *
 * @param place 0 or 1: for calls that take two
 * @returns its address, valid until the next call for this place   @throws SyscallError ENAMETOOLONG
 */
export function layPath(path: string, place = 0): number {
  const bytes = bytesOf(path)
  if (bytes.length >= PATH_MAX) throw new SyscallError("statx", "ENAMETOOLONG", [], ` for "${path}"`)
  rooms.bytes.set(bytes, place * PATH_MAX)
  rooms.bytes[place * PATH_MAX + bytes.length] = 0
  return rooms.address + place * PATH_MAX
}

/** A path as bytes with its NUL: it need not be UTF-8. */
export const pathBytes = (path: string): Uint8Array => Buffer.concat([bytesOf(path), Buffer.alloc(1)])

/** The folder of an absolute path. */
export const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 1))
/** The last part of a path. */
export const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1)
