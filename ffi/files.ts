/** What we ask of a file; sizes in bytes. */
export interface Stat {
  readonly ino: number
  readonly size: number
  readonly mode: number
  readonly uid: number
  readonly gid: number
  isFile(): boolean
  isDirectory(): boolean
}
/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string
  isDirectory(): boolean
}
export type Flags = "r" | "r+" | "wx" | "wx+" | number
interface WriteOptions {
  readonly mode?: number
}

/**
 * The part of node:fs that ./fs.ts has. `readSync` may be short, and gives 256 KiB at most: src/base/read-fully.ts reads on. `writeSync`
 * may be short on a full pipe or disk: files are written by `writeAll`.
 */
export interface Files {
  openSync(path: string, flags: Flags, mode?: number): number
  closeSync(fd: number): void
  readSync(fd: number, into: Uint8Array, offset: number, length: number, position: number | null): number
  writeSync(fd: number, data: Uint8Array | string, offset?: number, length?: number, position?: number): number
  /** @param parse sees bytes that are others' afterwards */
  parseFileSync<T>(path: string, parse: (bytes: Buffer) => T): T
  readFileSync(path: string): Buffer
  readFileSync(path: string, encoding: "latin1" | "utf8"): string
  writeFileSync(path: string, data: Uint8Array | string, options?: WriteOptions): void
  existsSync(path: string): boolean
  statSync(path: string): Stat
  lstatSync(path: string): Stat
  fstatSync(fd: number): Stat
  readdirSync(path: string): string[]
  readdirSync(path: string, options: { readonly withFileTypes: true }): DirectoryEntry[]
  readlinkSync(path: string, encoding: "buffer"): Buffer
  renameSync(from: string, to: string): void
  unlinkSync(path: string): void
  rmSync(path: string, options: { readonly force: boolean }): void
  mkdirSync(path: string): void
  chmodSync(path: string, mode: number): void
  chownSync(path: string, uid: number, gid: number): void
  rmdirSync(path: string): void
  ftruncateSync(fd: number, length: number): void
  fsyncSync(fd: number): void
}
