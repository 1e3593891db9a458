/**
 * Makes dist/stasis-portable, which needs no libc where it runs: `npm run build:portable [-- --root=DIR] [--outfile=PATH]`.
 *
 * The libraries are those of this machine, or of the system below DIR: glibc for x86-64. The same ones give the same bytes.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { parseArgs } from "node:util"
import { compile, refreshStubs, sizeOf } from "./compile.ts"
import { librariesOf } from "./libraries.ts"
import { singleFile } from "./single-file.ts"

const root = join(import.meta.dir, "..")

/** Makes the portable executable of a compiled program. @returns the files of libc that it holds   @throws Error a library is missing */
export function makePortable(program: string, outfile: string, system = "/"): string[] {
  const bytes = readFileSync(program)
  const { loader, libraries } = librariesOf(bytes, system)
  mkdirSync(dirname(outfile), { recursive: true })
  // Another one may run: it keeps its file.
  rmSync(outfile, { force: true })
  writeFileSync(outfile, singleFile({ program: bytes, loader: loader.bytes, libraries: libraries.map((library) => library.bytes) }))
  chmodSync(outfile, 0o755)
  return [loader, ...libraries].map(({ path }) => path)
}

if (import.meta.main) {
  const options = { outfile: { type: "string", default: "dist/stasis-portable" }, root: { type: "string", default: "/" } } as const
  const { values } = parseArgs({ options })
  const outfile = resolve(root, values.outfile)
  refreshStubs()
  console.log(`== portable executable: ${relative(root, outfile)}`)
  const program = `${outfile}.program`
  try {
    compile(program, "bun-linux-x64")
    for (const path of makePortable(program, outfile, values.root)) console.log(`   with ${path}`)
    console.log(`   ${sizeOf(outfile)}`)
  } finally {
    rmSync(program, { force: true })
  }
}
