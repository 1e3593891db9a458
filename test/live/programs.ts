import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { fetchPackages } from "../harness/debian.ts"
import { CACHE, ROOT } from "../harness/folders.ts"

/** A real program: it prints READY, computes for a second or two, and prints RESULT with a value that is the same in every run. */
export interface Program {
  readonly title: string
  /** What to install where it is missing. */
  readonly packages: string
  /** The command line with "{folder}" for an empty folder, or undefined where this machine lacks the program. */
  readonly command: () => readonly string[] | undefined
}

const source = (name: string) => join(ROOT, "test/live/programs", name)

/** A real executable: version managers put scripts in front of programs, which would be dumped as a shell. */
const executable = (name: string): string | undefined =>
  existsSync(`/usr/bin/${name}`) ? `/usr/bin/${name}` : (Bun.which(name) ?? undefined)

/** Runs a compiler once into .cache/programs; undefined when it is not installed or refuses. */
function compiled(
  find: () => string | null | undefined,
  output: string,
  args: (folder: string) => string[],
  env: Readonly<Record<string, string>> = {},
): string | undefined {
  const folder = join(CACHE, "programs")
  const path = join(folder, output)
  if (existsSync(path)) return path
  const compiler = find()
  if (!compiler) return undefined
  mkdirSync(folder, { recursive: true })
  const { exitCode, stderr } = Bun.spawnSync([compiler, ...args(folder)], { env: { ...process.env, ...env } })
  if (exitCode === 0) return path
  console.log(`${compiler} refused ${output}: ${stderr.toString()}`)
  return undefined
}

const script = (interpreter: string, file: string) => () => {
  const path = executable(interpreter)
  return path ? [path, source(file), "{folder}"] : undefined
}

/** A runtime alone cannot run source: javac is part of the JDK. */
function java(): readonly string[] | undefined {
  const runtime = executable("java")
  const classes = compiled(
    () => Bun.which("javac"),
    "Count.class",
    (folder) => ["--release", "11", "-d", folder, source("Count.java")],
  )
  return runtime && classes ? [runtime, "-Xmx256m", "-cp", join(CACHE, "programs"), "Count", "{folder}"] : undefined
}

/** The compiler of this machine, or Debian 13's, fetched into .cache; undefined where neither can be had. */
function findGo(): string | undefined {
  const own = Bun.which("go")
  if (own) return own
  try {
    const root = fetchPackages("go-toolchain", { suite: "trixie", packages: ["golang-go"], only: (file) => file.startsWith("golang-") })
    return join(root, "usr/lib/go/bin/go")
  } catch (error) {
    console.log(`Go cannot be fetched: ${error}`)
    return undefined
  }
}

function go(): readonly string[] | undefined {
  const build = (folder: string): string[] => ["build", "-o", join(folder, "count-go"), source("count.go")]
  // In a HOME without a cache of its own, and without a C compiler.
  const path = compiled(findGo, "count-go", build, { GOCACHE: join(CACHE, "go"), GOFLAGS: "-mod=mod", CGO_ENABLED: "0" })
  return path ? [path, "{folder}"] : undefined
}

/** GNU make with four jobs at a time. */
function make(): readonly string[] | undefined {
  const path = executable("make")
  return path ? [path, "-s", "-j4", "-f", source("build.mk"), "-C", "{folder}"] : undefined
}

/** vim in a terminal that python makes and types into. */
function vim(): readonly string[] | undefined {
  const [python, program] = [executable("python3"), executable("vim")]
  return python && program ? [python, source("editor.py"), "{folder}", program, "-u", "NONE", "-N", "-n", "-i", "NONE"] : undefined
}

/** The same in a terminal that script(1) of util-linux makes. */
function recorded(): readonly string[] | undefined {
  const [python, recorder, program] = [executable("python3"), executable("script"), executable("vim")]
  return python && recorder && program ? [python, source("script.py"), "{folder}", recorder, program] : undefined
}

export const programs: readonly Program[] = [
  { title: "C, static, busy", packages: "gcc libc6-dev", command: () => [compileVictim("compute", "static"), "1"] },
  { title: "C, glibc threads", packages: "gcc libc6-dev", command: () => [compileVictim("compute"), "3"] },
  { title: "python3", packages: "python3", command: script("python3", "count.py") },
  { title: "perl", packages: "perl", command: script("perl", "count.pl") },
  { title: "node", packages: "nodejs", command: script("node", "count.mjs") },
  { title: "Java", packages: "default-jdk-headless", command: java },
  { title: "Go", packages: "golang", command: go },
  { title: "python3, a pool of multiprocessing", packages: "python3", command: script("python3", "pool.py") },
  { title: "python3, a pool with semaphores", packages: "python3", command: script("python3", "semaphores.py") },
  { title: "perl, a tree of processes", packages: "perl", command: script("perl", "forks.pl") },
  { title: "bash, background jobs", packages: "bash", command: script("bash", "jobs.sh") },
  { title: "make -j4", packages: "make", command: make },
]

/** Those that have a terminal. */
export const editors: readonly Program[] = [
  { title: "vim on a terminal of its own", packages: "vim python3", command: vim },
  { title: "vim under script", packages: "vim python3 bsdutils", command: recorded },
]
