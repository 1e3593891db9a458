/** What a dump keeps of files that their names do not lead to. */
export interface Keeping {
  /** Most bytes that a deleted file may have stored: CRIU's --ghost-limit. */
  readonly ghostLimit: number
  /** Files that lost a name and have others that are not known may be given one: CRIU's --link-remap. */
  readonly linkRemap: boolean
  /** Locks are kept: CRIU's --file-locks. */
  readonly fileLocks: boolean
}

/** What a dump without options keeps: CRIU's. Authority: criu(8), --ghost-limit */
export const USUAL: Keeping = { ghostLimit: 1 << 20, linkRemap: false, fileLocks: false }

/** How a file is found again. */
export interface Place {
  /** That leads to it; or that it had, and gets for a moment. */
  readonly name: string
  /** By its name; it has none any more and is kept whole ("ghost"); it gets another one in the same folder until it is restored ("link"). */
  readonly way: "name" | "ghost" | "link"
}
