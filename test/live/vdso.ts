import { readFileSync } from "node:fs"
import { join } from "node:path"
import { VMA } from "../../proto/values.ts"
import { STT_FUNC } from "../../src/elf/constants.ts"
import { openElf } from "../../src/elf/open.ts"
import { bytesSource } from "../../src/elf/source.ts"
import { definedSymbols, symbolTables } from "../../src/elf/symbols.ts"
import { savedBytes } from "../../src/flow/read-pages.ts"
import { openImages } from "../../src/image/set.ts"
import { writeSaved } from "./images.ts"

/** ud2: whoever comes here ends by SIGILL. */
const TRAP = [0x0f, 0x0b]

/** Where an image set has the vdso of a process. */
export function placeOf(images: string, pid: number) {
  const set = openImages(images)
  const area = set.one("mm", pid).vmas.find(({ status }) => status & VMA.VDSO)
  if (!area) throw new Error(`the images of ${pid} have no vdso`)
  return { set, area }
}

/** The saved vdso of a process. */
export function savedVdso(images: string, pid: number): Uint8Array {
  const { set, area } = placeOf(images, pid)
  const bytes = savedBytes(set, pid, area)
  if (!bytes) throw new Error(`the images of ${pid} lack pages of the vdso`)
  return bytes
}

/** Writes over the saved vdso of a process. */
export const writeVdso = (images: string, pid: number, bytes: Uint8Array): void =>
  writeSaved(images, pid, placeOf(images, pid).area.start, bytes)

/** A vdso as another kernel could have had it: its functions are where they were, and hold nothing that can be run here. */
export function asForeign(vdso: Uint8Array): Uint8Array {
  const elf = openElf(bytesSource(vdso))
  if (!elf) throw new Error("the vdso is no ELF")
  const text = elf.sections.find(({ name }) => name === ".text")
  if (!text) throw new Error("the vdso has no .text")
  const foreign = vdso.slice()
  for (let at = Number(text.offset); at + 1 < Number(text.offset + text.size); at += 2) foreign.set(TRAP, at)
  return foreign
}

/** A vdso whose functions of these names end otherwise: of two names, one may be the end of the other. */
export function withoutFunctions(vdso: Uint8Array, names: readonly string[]): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(vdso)
  for (const name of names) {
    const at = Buffer.from(vdso).indexOf(`${name}\0`)
    if (at < 0) throw new Error(`the vdso has no ${name}`)
    changed.set(Buffer.from("X"), at + name.length - 1)
  }
  return changed
}

/** Names of a vdso's functions. */
export function functionNames(vdso: Uint8Array): string[] {
  const elf = openElf(bytesSource(vdso))
  return elf ? [...definedSymbols(symbolTables(elf).dynamic)].filter(({ type }) => type === STT_FUNC).map(({ name }) => name) : []
}

/** The areas of the kernel's own in a process, by name. */
export const specialAreas = (pid: number): string[] =>
  readFileSync(join("/proc", `${pid}`, "maps"), "latin1")
    .split("\n")
    .flatMap((line) => /\[(vdso|vvar\w*)\]$/.exec(line)?.[1] ?? [])
