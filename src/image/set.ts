import { join, resolve } from "node:path"
import { existsSync, readdirSync, readFileSync, statSync } from "../../ffi/fs.ts"
import type { inventory_entry } from "../../proto/gen/inventory_pb.ts"
import { errnoOf } from "../base/errno.ts"
import { CheckpointError } from "../base/errors.ts"
import type { EntryKind, EntryOf, HeadOf, Kind } from "./catalog.ts"
import { corrupt, missing, readFailure } from "./failure.ts"
import { fileName, type ImageId, type ImageName, imageOf } from "./name.ts"
import { decodeImage, expectFile, type HeadVersion } from "./read.ts"
import { type GhostEntry, readGhost } from "./streamed.ts"
import type { Framed } from "./write.ts"

/** One file of a set. */
export interface ImageFile extends ImageName {
  readonly name: string
  /** Bytes. */
  readonly size: number
}

/** Entries of a set of images by kind and id; none where there is no such image. */
export type Entries = <K extends EntryKind>(kind: K, id: ImageId) => readonly EntryOf<K>[]

/**
 * A complete set of images, read as it is asked for. Every reader throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT or
 * E_IMAGE_VERSION.
 */
export interface ImageSet {
  readonly directory: string
  readonly inventory: inventory_entry
  has(kind: Kind, id?: ImageId): boolean
  /** Size of an image's file, 0 when it does not exist: it tells how much there is before that is read. */
  bytesOf(kind: Kind, id?: ImageId): number
  /** The first entry of an image that must exist. */
  one<K extends EntryKind>(kind: K, id?: ImageId): HeadOf<K>
  /** All entries of an image that must exist. */
  all<K extends EntryKind>(kind: K, id?: ImageId): EntryOf<K>[]
  /** All entries, none when the image does not exist: for images whose absence means an empty list. */
  optional<K extends EntryKind>(kind: K, id?: ImageId): EntryOf<K>[]
  /** All entries with the bytes that follow each, none when the image does not exist. */
  withPayloads<K extends EntryKind>(kind: K, id?: ImageId): Required<Framed<K>>[]
  /** The entries of ghost-file-N.img with the places of what follows them, none when it does not exist; and its path. */
  ghost(number: number): { readonly path: string; readonly entries: readonly GhostEntry[] }
  /** Path of pages-N.img, which must exist. */
  pagesPath(pagesId: number): string
  /** Every file of the directory that is an image, by name. */
  files(): ImageFile[]
}

/** The bytes of an image. @throws CheckpointError E_IMAGE_MISSING · E_IMAGE_CORRUPT it is no file · E_DIRECTORY, E_IO */
export function readImage(path: string): Buffer {
  try {
    expectFile(path)
    return readFileSync(path)
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw missing(path, error)
    throw readFailure(`Cannot read ${path}`, error)
  }
}

function incomplete(directory: string): CheckpointError {
  const found = existsSync(directory)
    ? "there is no inventory.img, the last file of a dump: this is not a complete set"
    : "there is no such directory"
  return new CheckpointError(
    "E_IMAGE_MISSING",
    `Cannot read the images in ${directory}`,
    found,
    "Name the directory of a finished dump with -D",
  )
}

function unfit(directory: string, found: string, next: string): CheckpointError {
  return new CheckpointError("E_IMAGE_VERSION", `Cannot restore from ${directory}`, found, next)
}

/**
 * What the inventory must say for a restore: version 1 or 2, descriptors by table (fdinfo_per_id), the object ids of the dumping program.
 *
 * @throws CheckpointError E_IMAGE_VERSION, E_IMAGE_CORRUPT
 */
function checkInventory(directory: string, { img_version, fdinfo_per_id, root_ids, root_cg_set }: inventory_entry): void {
  if (img_version === 0)
    throw unfit(directory, "this is a pre-dump: it holds pages only", "Name the directory of the dump that followed it")
  if (img_version > 2)
    throw unfit(directory, `img_version is ${img_version}, known are 1 and 2`, "Restore with the program that wrote the set")
  if (!fdinfo_per_id) throw unfit(directory, "fdinfo_per_id is not set: the set is older than CRIU 1.0", "Dump again with a newer program")
  if (!root_ids) throw unfit(directory, "root_ids is missing: the set is older than CRIU 1.0", "Dump again with a newer program")
  if (root_cg_set === 0) throw corrupt(join(directory, "inventory.img"), "root_cg_set is 0, which is no set")
}

/** How to open a set. */
interface OpenOptions {
  /** Takes a pre-dump too, which has pages but no process. */
  readonly preDump?: boolean
  /** The names that files have on the disk, by their names in a set: for one that is not complete yet. */
  readonly nameOnDisk?: (name: string) => string
}

/**
 * Opens the set in a directory.
 *
 * @throws CheckpointError E_IMAGE_MISSING no directory or no inventory.img · E_IMAGE_VERSION not a version we read, or a pre-dump ·
 *   E_IMAGE_CORRUPT
 */
export function openImages(path: string, { preDump = false, nameOnDisk = (name) => name }: OpenOptions = {}): ImageSet {
  const directory = resolve(path)
  const pathOf = (kind: Kind, id: ImageId): string => join(directory, nameOnDisk(fileName(kind, id)))
  if (!existsSync(pathOf("inventory", undefined))) throw incomplete(directory)
  const inventory = first("inventory", undefined, undefined)
  if (!(preDump && inventory.img_version === 0)) checkInventory(directory, inventory)
  const version: HeadVersion = inventory.img_version === 1 ? 1 : 2

  function read<K extends EntryKind>(kind: K, id: ImageId, head: HeadVersion | undefined): Required<Framed<K>>[] {
    const file = pathOf(kind, id)
    return decodeImage(kind, file, readImage(file), head)
  }

  function first<K extends EntryKind>(kind: K, id: ImageId, head: HeadVersion | undefined): HeadOf<K> {
    const entry = read(kind, id, head)[0]
    if (!entry) throw corrupt(pathOf(kind, id), "it has no entry")
    return entry.message as HeadOf<K>
  }

  const set: ImageSet = {
    directory,
    inventory,
    has: (kind, id) => existsSync(pathOf(kind, id)),
    bytesOf: (kind, id) => (set.has(kind, id) ? statSync(pathOf(kind, id)).size : 0),
    one: (kind, id) => first(kind, id, version),
    all: (kind, id) => read(kind, id, version).map(({ message }) => message),
    optional: (kind, id) => set.withPayloads(kind, id).map(({ message }) => message),
    withPayloads: (kind, id) => (set.has(kind, id) ? read(kind, id, version) : []),
    ghost(number) {
      const path = pathOf("ghost-file", number)
      return { path, entries: existsSync(path) ? readGhost(path, version) : [] }
    },
    pagesPath(pagesId) {
      const file = pathOf("pages", pagesId)
      if (!existsSync(file)) throw missing(file)
      return file
    },
    files() {
      const named = readdirSync(directory).sort(new Intl.Collator("en", { numeric: true }).compare)
      return named.flatMap((name) => {
        const image = imageOf(name)
        return image ? [{ ...image, name, size: statSync(join(directory, name)).size }] : []
      })
    },
  }
  return set
}
