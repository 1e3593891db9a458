import { createHash } from "node:crypto"
import { closeSync, cpSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { pagemapRuns } from "../../src/image/pagemap.ts"
import { openImages } from "../../src/image/set.ts"

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

/** Writes over the saved memory of a process, within one run of pages. @param at address */
export function writeSaved(images: string, pid: number, at: bigint, bytes: Uint8Array): void {
  const end = at + BigInt(bytes.length)
  const run = [...pagemapRuns(openImages(images), "pagemap", pid)].find(
    ({ vaddr, pages }) => vaddr <= at && end <= vaddr + BigInt(pages * 4096),
  )
  if (!run) throw new Error(`the bytes at ${at.toString(16)} are not in one run of pages`)
  const fd = openSync(run.path, "r+")
  writeSync(fd, bytes, 0, bytes.length, Number(run.offset + at - run.vaddr))
  closeSync(fd)
}
