import { dirname } from "node:path"
import { closeSync, openSync, parseFileSync, statSync } from "../../ffi/fs.ts"
import type { pagemap_entry, pagemap_head } from "../../proto/gen/pagemap_pb.ts"
import { PE } from "../../proto/values.ts"
import { CheckpointError } from "../base/errors.ts"
import { readFully } from "../base/read-fully.ts"
import { PAGE_SIZE } from "../base/units.ts"
import type { EntryKind } from "./catalog.ts"
import { fileName } from "./name.ts"
import { pagesOf, storedFlags } from "./pagemap-entry.ts"
import type { PendingFile } from "./pending.ts"
import { checkImage, decodeImage } from "./read.ts"
import type { StreamedParts } from "./streamed.ts"

function broken(file: PendingFile, found: string): CheckpointError {
  const next = "Check the disk (kernel log, free space), then dump again; the target was left as it was"
  return new CheckpointError("E_IO", `Cannot complete ${dirname(file.temporary)}/${file.name}`, found, next)
}

/** Bytes that a pagemap wants from its pages file. */
function storedBytes(entries: readonly pagemap_entry[]): number {
  return entries.reduce((sum, entry) => sum + (storedFlags(entry) & PE.PRESENT ? Number(pagesOf(entry)) * PAGE_SIZE : 0), 0)
}

/** Of what was copied from elsewhere only the length is known. */
function verifyStreamed(file: PendingFile, { size, parts }: StreamedParts): void {
  const found = statSync(file.temporary).size
  if (found !== size) throw broken(file, `${found} bytes are on the disk, not the ${size} that were written`)
  const fd = openSync(file.temporary, "r")
  try {
    for (const { at, bytes } of parts) {
      const disk = Buffer.alloc(bytes.length)
      if (readFully(fd, disk, at) !== bytes.length || !disk.equals(bytes))
        throw broken(file, `bytes ${at}-${at + bytes.length - 1} on the disk are not those that were written`)
    }
  } finally {
    closeSync(fd)
  }
}

/**
 * Decodes an image again.
 *
 * @returns of a pagemap: number and size of its pages file   @throws CheckpointError E_IMAGE_CORRUPT
 */
export function verifyImage(kind: EntryKind, name: string, bytes: Uint8Array): { id: number; bytes: number } | undefined {
  if (kind !== "pagemap" && kind !== "pagemap-shmem") {
    checkImage(kind, name, bytes, 2)
    return undefined
  }
  const [head, ...runs] = decodeImage(kind, name, bytes, 2).map(({ message }) => message)
  const { pages_id } = head as pagemap_head
  return { id: pages_id, bytes: storedBytes(runs as pagemap_entry[]) }
}

/**
 * Reads every image of a set again, as its files are now: the bytes are those that were written, and they decode; each pages file is as
 * long as its pagemaps say.
 *
 * @throws CheckpointError E_IO
 */
export function verifySet(files: readonly PendingFile[]): void {
  const wanted = new Map<number, number>()
  for (const file of files) {
    if (file.streamed) verifyStreamed(file, file.streamed)
    if (!file.written) continue
    const { kind, bytes } = file.written
    parseFileSync(file.temporary, (disk) => {
      if (!disk.equals(bytes))
        throw broken(file, `${disk.length} bytes are on the disk, which are not the ${bytes.length} that were written`)
    })
    const pages = verifyImage(kind, file.name, bytes)
    if (pages) wanted.set(pages.id, (wanted.get(pages.id) ?? 0) + pages.bytes)
  }
  for (const file of files) {
    if (file.pagesId === undefined) continue
    const { size } = statSync(file.temporary)
    const sum = wanted.get(file.pagesId)
    wanted.delete(file.pagesId)
    if (size !== sum) throw broken(file, `it has ${size} bytes, its pagemaps want ${sum ?? "none"}`)
  }
  for (const [id, bytes] of wanted)
    if (bytes > 0) throw new Error(`Unreachable: a pagemap names ${fileName("pages", id)}, which was not written`)
}
