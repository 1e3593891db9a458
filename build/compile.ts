/**
 * Makes dist/stasis: `npm run build [-- --target=bun-linux-x64-musl] [--outfile=PATH]`.
 *
 * The same tree, Bun and target give the same bytes, wherever the tree is and whatever the file is called. (Not so if node_modules is a
 * link to elsewhere: the way to a module is part of the names that Bun makes up.) A target other than this machine's makes Bun fetch its
 * own runtime for it.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { parseArgs } from "node:util"
import { assembleStubs } from "./stub.ts"

const root = join(import.meta.dir, "..")

/** What "stasis --version" shows, as src/cli/version.ts says. */
function buildName(): string {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string }
  const git = (...words: string[]): string =>
    execFileSync("git", words, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+"
    return `${version} (${git("rev-parse", "--short=12", "HEAD")}${changed})`
  } catch {
    return `${version} (no git)`
  }
}

/**
 * Compiles src/main.ts to one executable.
 *
 * @param outfile absolute
 * @param target a target of `bun build --compile`; this machine's when undefined
 * @throws Error Bun's words, "Failed to download" among them when it cannot have its runtime for the target
 */
export function compile(outfile: string, target: string | undefined): void {
  mkdirSync(dirname(outfile), { recursive: true })
  const scratch = mkdtempSync(join(dirname(outfile), ".build-"))
  // The name is part of the bytes: whatever the file is called afterwards, here it has the same one.
  const program = join(scratch, "stasis")
  const words = [
    "build",
    "--compile",
    "--minify",
    // Bytecode and a chunk for each import(): a command reads only its own, so --version costs what an empty program costs.
    "--bytecode",
    "--format=esm",
    "--splitting",
    // A command is over before compiled code pays: compiling took a third of its processor time. Long loops are compiled all the same.
    "--compile-jit-policy=50",
    // Else a .env or bunfig.toml in the directory where the tool is called, often as root, would change what it does.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    `--define=STASIS_BUILD=${JSON.stringify(buildName())}`,
    ...(target === undefined ? [] : [`--target=${target}`]),
    `--outfile=${program}`,
    join(root, "src/main.ts"),
  ]
  try {
    const { status, stderr } = spawnSync(process.execPath, words, { cwd: root, stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" })
    if (status !== 0) throw new Error(`bun build: ${stderr.trim()}`)
    renameSync(program, outfile)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Assembles ffi/stub again where this machine can. */
export function refreshStubs(): void {
  console.log("== stub programs: ffi/stub/gen")
  if (Bun.which("as")) assembleStubs()
  else console.log("   no assembler here (Debian package binutils): the committed ones are used")
}

/** "107.5 MiB" */
export const sizeOf = (path: string): string => `${(statSync(path).size / 2 ** 20).toFixed(1)} MiB`

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: "string" }, outfile: { type: "string", default: "dist/stasis" } } })
  const outfile = resolve(root, values.outfile)
  refreshStubs()
  console.log(`== executable: ${relative(root, outfile)}`)
  compile(outfile, values.target)
  console.log(`   ${sizeOf(outfile)}, ${buildName()}`)
}
