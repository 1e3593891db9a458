/** What a dump keeps of files that their names do not lead to. */
export interface Keeping {
  /** Most bytes that a deleted file may have stored: CRIU's --ghost-limit. */
  readonly ghostLimit: number
}

/** What a dump without options keeps: CRIU's. Authority: criu(8), --ghost-limit */
export const USUAL: Keeping = { ghostLimit: 1 << 20 }

/** How a file is found again. */
export interface Place {
  /** That leads to it; or that a deleted file had, and gets for a moment. */
  readonly name: string
  /** The file has no name any more: it is kept whole. */
  readonly ghost: boolean
}
