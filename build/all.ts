/**
 * Makes what is given out, and dist/SHA256SUMS: `npm run build:all`. Two builds of one commit give the same bytes, the portable one if the
 * machine's libc is the same. What this machine cannot make is said and left out.
 */
import { createHash } from "node:crypto"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compile, refreshStubs, sizeOf } from "./compile.ts"
import { makePortable } from "./portable.ts"

const folder = join(import.meta.dir, "../dist")
const SUMS = join(folder, "SHA256SUMS")

/** Names in dist/ and how each is made; the portable one out of the first. */
const MAKE: Readonly<Record<string, (outfile: string) => void>> = {
  "stasis-linux-x64": (outfile) => compile(outfile, "bun-linux-x64"),
  "stasis-linux-x64-musl": (outfile) => compile(outfile, "bun-linux-x64-musl"),
  "stasis-linux-arm64": (outfile) => compile(outfile, "bun-linux-arm64"),
  "stasis-linux-x64-portable": (outfile) => {
    for (const path of makePortable(join(folder, "stasis-linux-x64"), outfile)) console.log(`   with ${path}`)
  },
}

/** Why this machine cannot make a file. @throws the error, when it is one of ours */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  if (text.includes("Failed to download")) return `Bun's runtime for it cannot be fetched (${text})`
  if (text.startsWith("No ")) return `the C library of this machine is not glibc for x86-64 (${text})`
  throw error
}

const sums: string[] = []
rmSync(SUMS, { force: true })
refreshStubs()
for (const [name, make] of Object.entries(MAKE)) {
  const outfile = join(folder, name)
  console.log(`== dist/${name}`)
  // One of another commit must not stay behind.
  rmSync(outfile, { force: true })
  try {
    make(outfile)
  } catch (error) {
    console.log(`   skipped: ${reason(error)}`)
    continue
  }
  const sum = createHash("sha256").update(readFileSync(outfile)).digest("hex")
  sums.push(`${sum}  ${name}\n`)
  console.log(`   ${sizeOf(outfile)}`)
}
writeFileSync(SUMS, sums.join(""))
console.log(`== dist/SHA256SUMS: ${sums.length} of ${Object.keys(MAKE).length} files`)
