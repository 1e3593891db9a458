/**
 * Makes dist/stasis: `npm run build [-- --target=bun-linux-x64-musl] [--outfile=PATH]`.
 *
 * The same tree, Bun and target give the same bytes. A target other than this machine's makes Bun fetch its own runtime for it.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, statSync } from "node:fs"
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
 */
export function compile(outfile: string, target: string | undefined): void {
  mkdirSync(dirname(outfile), { recursive: true })
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
    `--outfile=${outfile}`,
    join(root, "src/main.ts"),
  ]
  execFileSync(process.execPath, words, { cwd: root, stdio: ["ignore", "ignore", "inherit"] })
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: "string" }, outfile: { type: "string", default: "dist/stasis" } } })
  const outfile = resolve(root, values.outfile)
  console.log("== stub programs: ffi/stub/gen")
  if (Bun.which("as")) assembleStubs()
  else console.log("   no assembler here (Debian package binutils): the committed ones are used")
  console.log(`== executable: ${relative(root, outfile)}`)
  compile(outfile, values.target)
  console.log(`   ${(statSync(outfile).size / 2 ** 20).toFixed(1)} MiB, ${buildName()}`)
}
