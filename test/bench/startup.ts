import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CACHE, STASIS } from "../harness/folders.ts"
import { wall } from "./measure.ts"
import { ratio, spread, table } from "./statistics.ts"

const ROUNDS = 40

/** Compiles a Bun program that does nothing: the least that a binary of this kind can take. */
function emptyProgram(): string {
  const folder = join(CACHE, "bench")
  mkdirSync(folder, { recursive: true })
  const [source, program] = [join(folder, "empty.ts"), join(folder, "empty")]
  writeFileSync(source, "export {}\n")
  wall([process.execPath, "build", "--compile", "--bytecode", "--minify", source, "--outfile", program])
  return program
}

/** `stasis --version` against the empty program, alternating. A markdown table. */
export function startupTable(): string {
  const empty = emptyProgram()
  const [ours, least]: [number[], number[]] = [[], []]
  for (let round = -3; round < ROUNDS; round++) {
    const [a, b] = [wall([STASIS, "--version"]), wall([empty])]
    if (round < 0) continue
    ours.push(a)
    least.push(b)
  }
  return table(
    ["startup, ms", "stasis --version", "empty compiled program", "ratio"],
    [["", spread(ours), spread(least), ratio(ours, least)]],
  )
}
