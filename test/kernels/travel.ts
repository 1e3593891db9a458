import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { release as ownRelease } from "node:os"
import { dirname, join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { step } from "../harness/debian.ts"
import { inside, scratch } from "../harness/folders.ts"
import { dump, stasisTool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import type { Row } from "../live/row.ts"
import { idOf, type Origin } from "./cases.ts"

/**
 * The emulated CPU has neither AVX-512 nor XSAVEC: a C library that has chosen its functions for them here, and a loader that still has
 * names to resolve, would end there by SIGILL.
 */
const LESSER_CPU = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-AVX_VNNI,-RTM,-AMX_TILE"

/** True for "5.10.0-32" and "5.13". */
export const isBefore = (release: string, since: string): boolean => Bun.semver.order(numbers(release), numbers(since)) < 0
const numbers = (release: string): string => `${release.split(/[^0-9.]/)[0]}.0.0`.split(".").slice(0, 3).join(".")

export const HERE = ownRelease()

/** Programs that host victims run: their paths must be there too. */
export const programsAbroad = (rows: readonly Row[]): string[] => [
  ...new Set(rows.filter(({ linkage }) => linkage !== "musl").map(({ source, linkage }) => compileVictim(source, linkage))),
]

/** Dumps victims of this machine for others, as guests do it in their mode "save". @returns a word for each title, and the archive */
export async function saveHere(rows: readonly Row[]): Promise<{ words: Map<string, string>; parcel: Uint8Array }> {
  const folder = scratch("parcel")
  const parcel = inside(folder, "parcel")
  const words = new Map<string, string>()
  for (const row of rows) {
    try {
      const env = { ...row.env, LD_BIND_NOW: "1", GLIBC_TUNABLES: [row.env?.GLIBC_TUNABLES, LESSER_CPU].filter(Boolean).join(":") }
      const victim = await start(row.source, { ...row, env })
      const base = dirname(victim.folder)
      if (!isReady(victim)) {
        words.set(row.title, victim.lines().join(" "))
        continue
      }
      await dump(stasisTool, victim.pid, victim.images, "--manage-cgroups=ignore")
      await victim.gone()
      const id = idOf(row)
      step(["tar", "czf", join(parcel, `${id}.tgz`), "-C", base, "."], "/")
      writeFileSync(join(parcel, `${id}.pid`), `${victim.pid}\n`)
      writeFileSync(join(parcel, `${id}.where`), `${base}\n`)
      words.set(row.title, "OK")
    } catch (error) {
      words.set(row.title, `FAIL ${error}`)
    }
  }
  const path = join(folder, "parcel.tar")
  step(["tar", "cf", path, "-C", parcel, "."], "/")
  return { words, parcel: readFileSync(path) }
}

/** One archive of what several origins saved, each in a folder of its name. */
export function parcelOf(parcels: ReadonlyMap<Origin, Uint8Array>): Uint8Array {
  const folder = scratch("crossed")
  const all = inside(folder, "all")
  for (const [origin, bytes] of parcels) {
    if (bytes.length === 0) continue
    const own = inside(all, origin)
    const path = join(folder, `${origin}.tar`)
    writeFileSync(path, bytes)
    step(["tar", "xf", path, "-C", own], "/")
  }
  const path = join(folder, "all.tar")
  step(["tar", "cf", path, "-C", all, "."], "/")
  return existsSync(path) ? readFileSync(path) : new Uint8Array()
}
