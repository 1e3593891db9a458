import type { EntryKind } from "./catalog.ts"

/** A file of the set under its temporary name. */
export interface PendingFile {
  readonly name: string
  readonly temporary: string
  readonly fd: number
  /** What was written; undefined for pages. */
  readonly written: { readonly kind: EntryKind; readonly bytes: Uint8Array } | undefined
  /** N of pages-N.img. */
  readonly pagesId: number | undefined
}
