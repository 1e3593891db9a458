import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

/** The repository's root. */
export const ROOT = resolve(import.meta.dir, "../..")

/** Where tests keep what can be made again: compiled victims, the fetched CRIU. */
export const CACHE = join(ROOT, ".cache")

/** The compiled binary under test. */
export const STASIS = process.env.STASIS ?? join(ROOT, "dist/stasis")

const made: string[] = []

/**
 * A new empty folder that `discardAll` removes, and the end of the process too, unless STASIS_KEEP is set.
 *
 * @param on folder that it is made in
 */
export function scratch(name: string, on: string = tmpdir()): string {
  const folder = mkdtempSync(join(on, `stasis-live-${name.replaceAll(/[^\w-]/g, "_")}-`))
  // A victim that gave up root still has to see that it is asked.
  chmodSync(folder, 0o755)
  made.push(folder)
  return folder
}

/** A new empty folder that goes when its scope ends: `using folder = scopedFolder()`. */
export function scopedFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "stasis-scope-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** A new folder inside another one. */
export function inside(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}

/** Removes one scratch folder now. */
export function discard(folder: string): void {
  if (!process.env.STASIS_KEEP) rmSync(folder, { recursive: true, force: true })
}

/** Removes all that were made so far, by whatever test file: none may keep one for another. */
export function discardAll(): void {
  for (const folder of made.splice(0)) discard(folder)
}

process.on("exit", discardAll)
