import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { fetchPackages } from "./debian.ts"
import { CACHE, ROOT } from "./folders.ts"

/**
 * How a victim is linked: with the shared C library, all in one file, or with Debian's musl, whose loader must be put at /lib by whoever
 * runs it.
 */
export type Linkage = "dynamic" | "static" | "musl"

/** The folder of the C sources. */
export const SOURCES = join(ROOT, "test/victims")

const FLAGS = ["-O1", "-g", "-Wall", "-Wextra", "-pthread"]
const HEADERS = readdirSync(SOURCES).filter((name) => name.endsWith(".h"))

/** The C compiler's name, or undefined where there is none. */
export function compiler(): string | undefined {
  return [process.env.CC, "cc", "gcc", "clang"].find((name) => name && Bun.which(name))
}

const modified = (path: string) => statSync(path).mtimeMs

/**
 * Compiles a C source unless `program` is newer than it and its headers.
 *
 * @throws Error with the compiler's words, or what to install when there is no compiler
 */
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

/** What Debian's musl is unpacked to. @throws Error why this machine cannot have it */
export const muslRoot = (): string =>
  fetchPackages("musl", { suite: "bookworm", packages: ["musl-dev"], only: (file) => file.startsWith("musl") })

/** What musl-gcc says to the compiler, but for a musl that is not installed. The compiler's own headers come last: stdatomic.h is there. */
function muslFlags(): string[] {
  const root = muslRoot()
  const [library, headers] = [join(root, "usr/lib/x86_64-linux-musl"), join(root, "usr/include/x86_64-linux-musl")]
  const own = Bun.spawnSync([compiler() ?? "cc", "-print-file-name=include"])
    .stdout.toString()
    .trim()
  return [
    ...["-nostdinc", "-isystem", headers, "-isystem", own, "-nostartfiles", "-nodefaultlibs"],
    ...["-L", join(root, "lib/x86_64-linux-musl"), "-L", library, "-Wl,--no-as-needed,-dynamic-linker,/lib/ld-musl-x86_64.so.1"],
    ...["Scrt1.o", "crti.o", "crtn.o"].map((name) => join(library, name)),
    "-lc",
  ]
}

const LINK: Readonly<Record<Linkage, () => readonly string[]>> = { dynamic: () => [], static: () => ["-static"], musl: muslFlags }

/** Compiles test/victims/NAME.c to .cache/victims. @returns the program's path   @throws Error what it cannot be compiled for */
export function compileVictim(name: string, linkage: Linkage = "dynamic"): string {
  const program = join(CACHE, "victims", linkage === "dynamic" ? name : `${name}-${linkage}`)
  return compile(
    join(SOURCES, `${name}.c`),
    program,
    [...FLAGS, ...LINK[linkage]()],
    HEADERS.map((header) => join(SOURCES, header)),
  )
}

/**
 * Compiles a program of the unit tests, a C source without headers of ours, to .cache/fixtures.
 *
 * @param path of the source, from test/   @returns the program's path   @throws Error the compiler's words
 */
export const compileFixture = (path: string): string =>
  compile(join(ROOT, "test", path), join(CACHE, "fixtures", path.replace(/\.c$/, "")), FLAGS)

/** Compiles the program that tests run under, see ./reaper.c. */
export const compileReaper = (): string => compile(join(ROOT, "test/harness/reaper.c"), join(CACHE, "reaper"), FLAGS)
