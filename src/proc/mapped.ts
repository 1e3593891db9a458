import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs"
import type { Mapping } from "./maps.ts"
import { encodeText } from "./text.ts"

/** The file behind a mapping, open for reading until disposed. */
export interface MappedFile {
  /** Up to `length` bytes at `offset`; fewer only at the end of the file. */
  readonly read: (offset: number, length: number) => Uint8Array<ArrayBuffer>
  readonly [Symbol.dispose]: () => void
}

/**
 * Opens the very file that is mapped, also when its name is deleted or taken by another: through map_files, or (without
 * CAP_CHECKPOINT_RESTORE) by its name if that still leads to the same inode.
 *
 * @returns null when it is no regular file, is not to be had any more, or access is denied. Never throws.
 * Kernel: fs/proc/base.c proc_map_files_get_link()
 */
export function openMapped(pid: number, { start, end, path, inode }: Mapping): MappedFile | null {
  if (inode === 0n) return null
  const exact = `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`
  const fd = openFile(exact, inode) ?? (path.startsWith("/") ? openFile(encodeText(`/proc/${pid}/root${path}`), inode) : null)
  if (fd === null) return null
  return {
    read: (offset, length) => readAt(fd, offset, length),
    [Symbol.dispose]: () => closeSync(fd),
  }
}

/** Looks before it opens: to open a device may do something. Device numbers differ between maps and stat on btrfs, inodes do not. */
function openFile(path: string | Buffer, inode: bigint): number | null {
  try {
    const found = statSync(path, { bigint: true })
    if (!found.isFile() || found.ino !== inode) return null
    const fd = openSync(path, "r")
    if (fstatSync(fd, { bigint: true }).ino === inode) return fd
    closeSync(fd)
  } catch {
    // Any refusal means the same to the caller: the file is not to be had this way.
  }
  return null
}

function readAt(fd: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, offset + filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}
