/**
 * The whole gate but the tests: `npm run check`. Types, format and lint, layers, unused exports, sizes, names, markers,
 * generated code. Prints each step; exit status 1 with a list of complaints when any fails. Changes nothing in the tree.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { badNames, bannedWords, brokenLayers, cycles, type Source, tooLong, unusedExports, wideComments } from "./rules.ts"
import { generateStubs } from "./stub.ts"

const root = join(import.meta.dir, "..")
const FOLDERS = ["build", "ffi", "proto", "src", "test"]

/** Files below a folder, as sorted paths from the root of the repository, whose names end so. */
const list = (folder: string, ends: RegExp, base = root): string[] =>
  readdirSync(join(base, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ends.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(base.length + 1))
    .sort()

const read = (path: string): Source => ({ path, text: readFileSync(join(root, path), "utf8") })
const isGenerated = (path: string): boolean => path.includes("/gen/")

/** Runs a tool of node_modules; its output is the complaint. */
function tool(name: string, ...words: string[]): string[] {
  // biome-ignore format: one call
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, join(root, "node_modules/.bin", name), ...words], { cwd: root, env: { ...process.env, NO_COLOR: "1" } })
  return exitCode === 0 ? [] : [`${stdout}${stderr}`.trim()]
}

/** Generates proto/gen again beside the tree, because the generator empties its folder first, and compares. */
function staleProto(): string[] {
  const scratch = mkdtempSync(join(tmpdir(), "stasis-check-"))
  try {
    for (const name of ["build", "proto", "package.json"]) cpSync(join(root, name), join(scratch, name), { recursive: true })
    symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"))
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(scratch, "build/generate.ts")], { cwd: scratch })
    if (exitCode !== 0) return [`build/generate.ts ended with ${exitCode}: ${stderr}`]
    const [now, then] = [list("proto/gen", /\.ts$/, scratch), list("proto/gen", /\.ts$/)]
    const same = (path: string): boolean =>
      now.includes(path) && then.includes(path) && readFileSync(join(scratch, path)).equals(readFileSync(join(root, path)))
    return [...new Set([...now, ...then])].filter((path) => !same(path)).map((path) => `${path} differs from its .proto: npm run generate`)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

function staleStubs(): string[] {
  if (!Bun.which("as")) {
    console.log("   skipped: no assembler here (Debian package binutils)")
    return []
  }
  const path = "ffi/stub/gen/x86_64.ts"
  return generateStubs("x86_64") === read(path).text ? [] : [`${path} differs from its assembly: npm run build`]
}

const typescript = FOLDERS.flatMap((folder) => list(folder, /\.ts$/))
  .filter((path) => !isGenerated(path))
  .map(read)
const others = FOLDERS.flatMap((folder) => list(folder, /\.(?:c|h|S|proto|sh|py|js|md)$/)).map(read)
const written = typescript.filter(({ path }) => !path.startsWith("test/"))

const STEPS: readonly [string, () => string[]][] = [
  ["types: tsc", () => tool("tsc", "-p", ".")],
  ["format and lint: biome", () => tool("biome", "check", "--error-on-warnings", "--diagnostic-level=warn", ".")],
  ["layers", () => brokenLayers(typescript)],
  ["import cycles", () => cycles(written)],
  ["unused exports", () => unusedExports(typescript)],
  ["file sizes", () => tooLong(typescript)],
  ["comments", () => wideComments(typescript)],
  ["file names", () => badNames(typescript)],
  ["markers, exits, default exports, waiting below src/flow", () => [...bannedWords(typescript), ...bannedWords(others)]],
  ["generated: proto/gen", staleProto],
  ["generated: ffi/stub/gen", staleStubs],
]

/** A rule that cannot be applied is a complaint too, and no reason to leave out the others. */
function attempt(step: () => string[]): string[] {
  try {
    return step()
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

const complaints = STEPS.flatMap(([name, step]) => {
  console.log(`== ${name}`)
  const found = attempt(step)
  for (const complaint of found) console.log(complaint.replace(/^/gm, "   "))
  return found
})
console.log(
  complaints.length === 0
    ? "== check passed"
    : `== check failed: ${complaints.length} complaint${complaints.length === 1 ? "" : "s"} above`,
)
process.exit(complaints.length === 0 ? 0 : 1)
