import { createHash } from "node:crypto"
import { cpSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Every file of a folder and the hash of its bytes; statistics apart, which a failed run may write. */
export function fingerprint(folder: string): Record<string, string> {
  const names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isFile() && !/^stats-|\.log$/.test(entry.name) ? [entry.name] : [],
  )
  return Object.fromEntries(
    names.sort().map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex"),
    ]),
  )
}

/** A copy of an image set, to be spoilt. */
export function copyImages(from: string, to: string): string {
  cpSync(from, to, { recursive: true })
  return to
}
