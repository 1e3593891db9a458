import { existsSync, mkdirSync, renameSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
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

/** Compiles a C source unless `program` is newer than it and its headers. @throws Error with the compiler's words, or what to install when there is no compiler */
export function compile(source: string, program: string, flags: readonly string[], headers: readonly string[] = []): string {
  const newest = Math.max(...[source, ...headers].map(modified))
  if (existsSync(program) && modified(program) > newest) return program
  const cc = compiler()
  if (!cc) throw new Error("A C compiler is missing: apt-get install gcc libc6-dev (needs root)")
  mkdirSync(dirname(program), { recursive: true })
  // Another test file may compile the same program now: only a finished one gets the name.
  const temporary = `${program}.${process.pid}`
  const { exitCode, stderr } = Bun.spawnSync([cc, ...flags, "-o", temporary, source], { stdin: "ignore" })
  if (exitCode !== 0) throw new Error(`${cc} refused ${source}:\n${stderr.toString()}`)
  renameSync(temporary, program)
  return program
}

/** Compiles test/victims/NAME.c to .cache/victims. @returns the program's path   @throws Error what it cannot be compiled for */
export function compileVictim(name: string, linkage: Linkage = "dynamic"): string {
  const program = join(CACHE, "victims", linkage === "static" ? `${name}-static` : name)
  const flags = linkage === "static" ? [...FLAGS, "-static"] : FLAGS
  return compile(
    join(SOURCES, `${name}.c`),
    program,
    flags,
    HEADERS.map((header) => join(SOURCES, header)),
  )
}

/** Compiles the program that tests run under, see ./reaper.c. */
export const compileReaper = (): string => compile(join(ROOT, "test/harness/reaper.c"), join(CACHE, "reaper"), FLAGS)
