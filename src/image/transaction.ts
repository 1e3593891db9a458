import { join } from "node:path"
import { closeSync, FileError, ftruncateSync, rmdirSync, statSync, writeAll } from "../../ffi/fs.ts"
import { logger } from "../base/log.ts"
import type { EntryKind, EntryOf } from "./catalog.ts"
import { commitSet, settleSet } from "./commit.ts"
import { prepareDirectory, temporaryName } from "./directory.ts"
import { ioFailure } from "./failure.ts"
import { fileName, type ImageId } from "./name.ts"
import { dropPending, OpenFiles, type PendingFile } from "./pending.ts"
import { type ImageSet, openImages } from "./set.ts"
import { type Streamed, writeStreamed } from "./streamed.ts"
import { encodeImage, type Framed } from "./write.ts"

const log = logger("image")

/** How a set is written. */
interface ImageOptions {
  /** Whether files reach the disk before the set counts as complete. */
  readonly sync: boolean
  /**
   * Makes the first `bytes` of a file exist on the disk: fallocate(2), which only the kernel door can call. Without it,
   * `preallocate` only sets the size.
   */
  readonly allocate?: (fd: number, bytes: number) => void
}

/** A pages file that is filled by whoever holds the memory. */
export interface PagesFile {
  /** Takes room on the disk before a freeze. The surplus goes with `truncate`. @param bytes from the start of the file */
  preallocate(bytes: number): void
  /**
   * Runs a step that writes to the file, by a descriptor for reading and writing that is the step's only while it runs.
   *
   * @returns what the step does   @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO for a FileError; any other error as it is
   */
  fill<T>(step: (fd: number) => T): T
  /** Sets the final size in bytes. */
  truncate(bytes: number): void
  /** Takes the file out of the set again: nothing is to be stored in it. */
  discard(): void
}

/** A set that becomes visible as a whole, or not at all. Left without `commit`, nothing of it remains. */
export interface ImageTransaction extends Disposable {
  readonly directory: string
  /**
   * Writes one image. An empty list writes none: absent and empty mean the same.
   *
   * @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO
   */
  write<K extends EntryKind>(kind: K, id: ImageId, entries: readonly (EntryOf<K> | Framed<K>)[]): void
  /** The same of an image whose payloads are copied into it now, whatever their size. @throws as `write`, and what a source throws */
  stream<K extends EntryKind>(kind: K, id: ImageId, entries: readonly Streamed<K>[]): void
  /** Makes pages-N.img. @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO */
  pages(pagesId: number): PagesFile
  /**
   * Does now what `commit` would do for the images that have been written: before a freeze it makes the freeze no longer.
   *
   * @throws as `commit`   Precondition: none of them is a pagemap
   */
  settle(): void
  /** The set as it is until then: all of it is written, nothing of it has its name. @throws as `openImages` */
  open(): ImageSet
  /** Makes the set complete. Afterwards the older set is gone. @throws CheckpointError; then the older set is as before */
  commit(): void
  /** Bytes of all files so far, pages included. */
  readonly bytesWritten: number
}

/**
 * Starts a set in `directory`, which is made when its parent exists. Temporaries of runs that were killed are removed first.
 *
 * @throws CheckpointError E_DIRECTORY it cannot be written, or another run is writing there · E_DISK_FULL
 */
export function beginImages(path: string, options: ImageOptions): ImageTransaction {
  const prepared = prepareDirectory(path)
  const { directory, made, fd: lock } = prepared
  const files = new Map<string, PendingFile>()
  const opened = new OpenFiles()
  let committed = false

  function open(name: string, rest: Pick<PendingFile, "written" | "pagesId">): PendingFile {
    const file: PendingFile = { name, temporary: join(directory, temporaryName(name)), fd: undefined, ...rest }
    if (files.has(name)) throw new Error(`Unreachable: ${name} is written twice`)
    try {
      opened.create(file)
      files.set(name, file)
      return file
    } catch (error) {
      throw ioFailure(`Cannot create ${join(directory, name)}`, error)
    }
  }

  /** A step that writes to a file. @throws CheckpointError as `ioFailure` tells it */
  function writing<T>(name: string, step: () => T): T {
    try {
      return step()
    } catch (error) {
      throw ioFailure(`Cannot write ${join(directory, name)}`, error)
    }
  }

  return {
    directory,
    write(kind, id, entries) {
      if (entries.length === 0) return
      const bytes = encodeImage(kind, entries)
      const file = open(fileName(kind, id), { written: { kind, bytes }, pagesId: undefined })
      writing(file.name, () => writeAll(opened.descriptorOf(file), bytes))
      log.debug(`${file.name}: ${entries.length} entries, ${bytes.length} bytes`)
    },
    stream(kind, id, entries) {
      const file = open(fileName(kind, id), { written: undefined, pagesId: undefined })
      const streamed = writing(file.name, () => writeStreamed(opened.descriptorOf(file), kind, entries))
      file.streamed = streamed
      log.debug(`${file.name}: ${entries.length} entries, ${streamed.size} bytes`)
    },
    pages(pagesId) {
      const file = open(fileName("pages", pagesId), { written: undefined, pagesId })
      const { name } = file
      const fd = (): number => opened.descriptorOf(file)
      return {
        fill(step) {
          try {
            return step(fd())
          } catch (error) {
            throw error instanceof FileError ? ioFailure(`Cannot write ${join(directory, name)}`, error) : error
          }
        },
        preallocate: (bytes) => writing(name, () => (options.allocate ? options.allocate(fd(), bytes) : ftruncateSync(fd(), bytes))),
        truncate: (bytes) => writing(name, () => ftruncateSync(fd(), bytes)),
        discard: () => {
          files.delete(name)
          dropPending(file)
        },
      }
    },
    settle() {
      settleSet(
        prepared,
        [...files.values()].filter(({ written }) => written !== undefined),
        options.sync,
      )
    },
    open: () => openImages(directory, { nameOnDisk: temporaryName }),
    commit() {
      commitSet(prepared, [...files.values()], options.sync)
      committed = true
      closeSync(lock)
      log.info(`${files.size} images are complete in ${directory}`)
    },
    get bytesWritten() {
      try {
        return files.values().reduce((sum, { temporary, written }) => sum + (written?.bytes.length ?? statSync(temporary).size), 0)
      } catch (error) {
        throw ioFailure(`Cannot complete the images in ${directory}`, error)
      }
    },
    [Symbol.dispose]() {
      if (committed) return
      for (const file of files.values()) dropPending(file)
      files.clear()
      if (made) removeIfEmpty(directory)
      closeSync(lock)
    },
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    // Somebody else put a file there meanwhile (a log): then the directory stays.
    log.debug(`${directory} stays: ${String(error)}`)
  }
}
