import { closeSync, openSync, rmSync } from "../../ffi/fs.ts"
import { logger } from "../base/log.ts"
import type { EntryKind } from "./catalog.ts"
import type { StreamedParts } from "./streamed.ts"

const log = logger("image")

/** A file of the set under its temporary name. */
export interface PendingFile {
  readonly name: string
  readonly temporary: string
  /** Open for reading and writing; undefined while it is closed. */
  fd: number | undefined
  /** What was written; undefined for pages, and for what was streamed. */
  readonly written: { readonly kind: EntryKind; readonly bytes: Uint8Array } | undefined
  /** What is known of an image that was streamed. */
  streamed?: StreamedParts
  /** N of pages-N.img. */
  readonly pagesId: number | undefined
  /** On the disk and read again: see `settleSet`. */
  settled?: true
}

/** From so many files on, one sync of the file system takes less time than one of each file: each may be a commit of its journal. */
export const MANY_FILES = 32

/** Closes a file that may be closed already. @throws FileError what some file systems (NFS) first tell when a file is closed */
export function closePending(file: PendingFile): void {
  const { fd } = file
  file.fd = undefined
  if (fd !== undefined) closeSync(fd)
}

/** Removes a file of a set that is given up. What its close tells (SSHFS on a full disk: EIO) is of no matter then: it is closed. */
export function dropPending(file: PendingFile): void {
  try {
    closePending(file)
  } catch (error) {
    log.debug(`${file.temporary}: ${String(error)}`)
  }
  rmSync(file.temporary, { force: true })
}

/** Descriptors of a set's files: a tree of a thousand processes has more files than a process may have open. */
export class OpenFiles {
  readonly #open = new Set<PendingFile>()

  /** @returns the file's descriptor, valid until the next call; opened again when it was closed @throws FileError */
  descriptorOf(file: PendingFile): number {
    if (file.fd !== undefined) return file.fd
    this.#makeRoom()
    file.fd = openSync(file.temporary, "r+")
    this.#open.add(file)
    return file.fd
  }

  /** Creates the file. @throws FileError EEXIST */
  create(file: PendingFile): void {
    this.#makeRoom()
    file.fd = openSync(file.temporary, "wx+", 0o600)
    this.#open.add(file)
  }

  #makeRoom(): void {
    if (this.#open.size < MANY_FILES) return
    for (const file of this.#open) closePending(file)
    this.#open.clear()
  }
}
