import { createHash } from "node:crypto"
import { closeSync, cpSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { FEATURE_WORDS, type FeatureBit } from "../../ffi/abi/cpu.x86_64.ts"
import type { cpuinfo_x86_entry } from "../../proto/gen/cpuinfo_pb.ts"
import { pagemapRuns } from "../../src/image/pagemap.ts"
import { openImages } from "../../src/image/set.ts"
import { encodeImage } from "../../src/image/write.ts"
import { hasFeature, putFeature } from "../../src/kinds/cpu/collect.x86_64.ts"

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

/** Changes what a set says of the CPU of its dump. */
export function changeCpu(images: string, change: (entry: cpuinfo_x86_entry) => void): void {
  const path = join(images, "cpuinfo.img")
  const entries = openImages(images).all("cpuinfo")
  for (const { x86_entry } of entries) for (const entry of x86_entry) change(entry)
  writeFileSync(path, encodeImage("cpuinfo", entries))
}

/** Where a feature is, by name. @throws Error for a name that is in no word */
function bitOf(name: string): FeatureBit {
  const word = FEATURE_WORDS.findIndex(({ names }) => names.split(" ").includes(name))
  if (word < 0) throw new Error(`no CPU has "${name}"`)
  return [word, FEATURE_WORDS[word]?.names.split(" ").indexOf(name) ?? 0]
}

/** Whether words have a feature, by name. */
export const hasNamed = (words: readonly number[], name: string): boolean => hasFeature(words, bitOf(name))

/** Switches features, by name, in the words of a set. */
export const putFeatures =
  (on: boolean, ...names: readonly string[]) =>
  ({ capability }: cpuinfo_x86_entry): void => {
    for (const name of names) putFeature(capability, bitOf(name), on)
  }
