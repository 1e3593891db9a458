/** What a dump keeps of files that their names do not lead to. */
export interface Keeping {
  /** Most bytes that a deleted file may have stored: CRIU's --ghost-limit; undefined = any. A dump without it takes `ghostLimitFor`. */
  readonly ghostLimit: number | undefined
  /** Files that lost a name and have others that are not known may be given one: CRIU's --link-remap. */
  readonly linkRemap: boolean
  /** Locks are kept: CRIU's --file-locks. */
  readonly fileLocks: boolean
  /** What a restore can compare of executables and libraries beside their size: CRIU's --file-validation. */
  readonly fileValidation: FileValidation
}

/** How files are compared: by size and build ID, or by size alone. The first is the usual one. */
export const FILE_VALIDATION = ["buildid", "filesize"] as const
type FileValidation = (typeof FILE_VALIDATION)[number]

/** What is done about a file that has changed: "truncate" cuts what has grown back to the size that it had. The first is the usual one. */
export const FILE_CHANGED = ["fail", "accept", "truncate"] as const
export type FileChanged = (typeof FILE_CHANGED)[number]

/** How a restore compares files. */
export interface Checking {
  readonly fileValidation: FileValidation
  readonly fileChanged: FileChanged
  /** Permissions may have changed: CRIU's --skip-file-rwx-check. */
  readonly skipFileRwxCheck: boolean
}

/** How a restore without options compares. */
export const STRICT: Checking = { fileValidation: "buildid", fileChanged: "fail", skipFileRwxCheck: false }

/** What a dump without options keeps. */
export const USUAL: Keeping = { ghostLimit: undefined, linkRemap: false, fileLocks: false, fileValidation: "buildid" }

/** How a file is found again. Its name leads to it; or it had that name, and gets it for a moment. */
export type WayBack = { readonly name: string } & (
  | {
      /**
       * By its name; it has none any more and is kept whole ("ghost"); it gets another one in its folder until it is restored ("link").
       */
      readonly way: "name" | "ghost" | "link"
    }
  /** It is about a process that has ended, which another one stands in for while it is opened. */
  | { readonly way: "departed"; readonly pid: number }
)
