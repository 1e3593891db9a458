import { existsSync, mkdirSync, renameSync, statSync } from "node:fs"
import { join } from "node:path"
import { CACHE, ROOT } from "./folders.ts"

/** How a victim is linked: with the shared C library, or all in one file. */
export type Linkage = "dynamic" | "static"

/** The folder of the C sources. */
export const SOURCES = join(ROOT, "test/victims")

const FLAGS = ["-O1", "-g", "-Wall", "-Wextra", "-pthread"]
const HEADERS = ["victim.h", "rseq.h", "tree.h"]

/** The C compiler's name, or undefined where there is none. */
export function compiler(): string | undefined {
  return [process.env.CC, "cc", "gcc", "clang"].find((name) => name && Bun.which(name))
}

const modified = (path: string) => statSync(path).mtimeMs

/**
 * Compiles test/victims/NAME.c unless .cache/victims holds a newer program.
 *
 * @returns the program's path
 * @throws Error with the compiler's words, or what to install when there is no compiler
 */
export function compileVictim(name: string, linkage: Linkage = "dynamic"): string {
  const folder = join(CACHE, "victims")
  const source = join(SOURCES, `${name}.c`)
  const program = join(folder, linkage === "static" ? `${name}-static` : name)
  const newest = Math.max(modified(source), ...HEADERS.map((header) => modified(join(SOURCES, header))))
  if (existsSync(program) && modified(program) > newest) return program
  const cc = compiler()
  if (!cc) throw new Error("A C compiler is missing: apt-get install gcc libc6-dev (needs root)")
  mkdirSync(folder, { recursive: true })
  // Another test file may compile the same victim now: only a finished program gets the name.
  const temporary = `${program}.${process.pid}`
  const link = linkage === "static" ? ["-static"] : []
  const { exitCode, stderr } = Bun.spawnSync([cc, ...FLAGS, ...link, "-o", temporary, source], { stdin: "ignore" })
  if (exitCode !== 0) throw new Error(`${cc} refused ${name}.c:\n${stderr.toString()}`)
  renameSync(temporary, program)
  return program
}
