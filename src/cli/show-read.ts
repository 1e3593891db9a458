import { join } from "node:path"
import { remap_type } from "../../proto/gen/remap-file-path_pb.ts"
import { CheckpointError } from "../base/errors.ts"
import { PAGE_SIZE } from "../base/units.ts"
import { catalog, type EntryKind } from "../image/catalog.ts"
import { fileName } from "../image/name.ts"
import { decodeImage } from "../image/read.ts"
import { type ImageFile, type ImageSet, readImage } from "../image/set.ts"
import { readGhost } from "../image/streamed.ts"
import { readProcess, type ShownProcess } from "./show-process.ts"

/** Entries of an image, or why they cannot be counted. */
export function countEntries(set: ImageSet, { kind, name, size }: ImageFile): number | string {
  if (catalog[kind].framing === "raw") return kind === "pages" ? `${size / PAGE_SIZE} pages` : "raw"
  try {
    if (kind === "ghost-file") return readGhost(join(set.directory, name)).length
    return decodeImage(kind as EntryKind, name, readImage(join(set.directory, name))).length
  } catch (error) {
    if (error instanceof CheckpointError) return `damaged: ${error.found}`
    throw error
  }
}

/** What is said of files whose names do not lead to them, by file id. */
const remapNotes = (set: ImageSet): Map<number, string> =>
  new Map(
    set.optional("remap-fpath").map(({ orig_id, remap_id, remap_type: kind }) => {
      if (kind === remap_type.GHOST) return [orig_id, `deleted, kept in ${fileName("ghost-file", remap_id)}`]
      return [orig_id, kind === remap_type.LINKED ? `linked at file ${remap_id}` : `remapped to ${remap_id}`]
    }),
  )

/** Processes of the set in tree order, or the error that hides one. */
export function readProcesses(set: ImageSet): (ShownProcess | CheckpointError)[] {
  const attempt = <T>(step: () => T): T | CheckpointError => {
    try {
      return step()
    } catch (error) {
      if (error instanceof CheckpointError) return error
      throw error
    }
  }
  const files = attempt(() => new Map(set.optional("files").map((file) => [file.id, file] as const)))
  if (files instanceof CheckpointError) return [files]
  const tree = attempt(() => set.optional("pstree"))
  if (tree instanceof CheckpointError) return [tree]
  const notes = attempt(() => remapNotes(set))
  if (notes instanceof CheckpointError) return [notes]
  return tree.map((entry) => attempt(() => readProcess(set, entry, files, notes)))
}
