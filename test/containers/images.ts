import { chmodSync, copyFileSync, existsSync, linkSync, mkdirSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { compile, compileVictim } from "../harness/compile.ts"
import { fetchPackages, mirror, step, type Wanted } from "../harness/debian.ts"
import { CACHE, ROOT, STASIS, scratch } from "../harness/folders.ts"
import { skip } from "../harness/skip.ts"
import { compileMusl, muslLibraries } from "./musl.ts"

/** A root file system: folders that overlayfs lays over each other, the uppermost first. One alone can be a root as it is. */
export interface Image {
  readonly layers: readonly string[]
}

/** What each image holds beside the tool: what tests dump inside. */
const VICTIMS = ["rseqspin", "forest"] as const

/** What an image needs cannot be had on this machine: the reason, for a skipped test to print. */
class NotFetched extends Error {}

/** Makes an image; undefined where this machine cannot have it: the test that wants it is skipped, with the reason. */
export function imageOrSkip(make: () => Image, title?: string): Image | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof NotFetched)) throw error
    return skip(title === undefined ? error.message : `${title}: ${error.message}`)
  }
}

/** What `fetch` gives. @throws NotFetched */
function fetched<T>(fetch: () => T): T {
  try {
    return fetch()
  } catch (error) {
    throw new NotFetched(error instanceof Error ? error.message : String(error))
  }
}

/** Packages for all that is done in containers, of Debian 13; what else they depend on is left out. @throws NotFetched */
export const packages = (): string => fetched(() => fetchPackages("containers", WANTED))

const WANTED: Wanted = {
  suite: "trixie",
  packages: ["libstdc++6", "musl", "musl-dev", "busybox-static", "debootstrap"],
  only: (file) => /^(libstdc|libgcc|musl|busybox|debootstrap)/.test(file),
}

/** Puts files into a new folder, by their paths there. The tool is linked where it can be: it is large. */
function layer(name: string, files: ReadonlyMap<string, string>): string {
  const folder = scratch(name)
  for (const path of ["proc", "sys", "dev", "work"]) mkdirSync(join(folder, path))
  for (const [path, source] of files) {
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    copyOrLink(realpathSync(source), target)
  }
  return folder
}

function copyOrLink(source: string, target: string): void {
  try {
    linkSync(source, target)
  } catch {
    copyFileSync(source, target)
    chmodSync(target, 0o755)
  }
}

/** What a program needs of the system: its loader and libraries, by their paths. */
function libraries(program: string): [string, string][] {
  const { exitCode, stdout } = Bun.spawnSync(["ldd", program])
  // A static program has none, which ldd answers with a status of its own.
  return exitCode === 0 ? [...stdout.toString().matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => [path, path]) : []
}

const tool = (): [string, string] => ["bin/stasis", STASIS]
const victims = (compiled: (name: string) => string, names: readonly string[] = VICTIMS): [string, string][] =>
  names.map((name) => [`bin/${name}`, compiled(name)])

/** Runs a program under a seccomp filter, see ./confine.c. */
const confine = (): [string, string] => [
  "bin/confine",
  compile(join(import.meta.dir, "confine.c"), join(CACHE, "confine"), ["-O1", "-Wall", "-Wextra", "-static"]),
]

/** The tool, the victims, the libraries that they need, and `confine`: no shell, no other program. */
export const bareImage = (names: readonly string[] = VICTIMS): Image => {
  const programs = [...victims(compileVictim, names), confine()]
  const shared = [STASIS, ...programs.map(([, path]) => path)].flatMap(libraries)
  return { layers: [layer("bare", new Map([tool(), ...programs, ...shared]))] }
}

/** Gives a layer busybox and a name for each thing that it can do. */
function addBusybox(folder: string): string {
  copyOrLink(join(packages(), "usr/bin/busybox"), join(folder, "bin/busybox"))
  for (const name of step([join(folder, "bin/busybox"), "--list"], ROOT).split("\n"))
    if (name && !existsSync(join(folder, "bin", name))) symlinkSync("busybox", join(folder, "bin", name))
  return folder
}

/** The same with busybox, static. */
export const busyboxImage = (): Image => ({ layers: bareImage().layers.map(addBusybox) })

/** No glibc: the tool and the victims built for musl, with Debian's musl. */
export function muslImage(): Image {
  const target = join(scratch("musl"), "stasis")
  step([process.execPath, join(ROOT, "build/compile.ts"), "--target=bun-linux-x64-musl", `--outfile=${target}`], ROOT)
  const root = packages()
  const files = new Map([["bin/stasis", target], ...victims((name) => compileMusl(root, name)), ...muslLibraries(root)] as const)
  return { layers: [addBusybox(layer("musl-root", files))] }
}

function bootstrap(root: string): void {
  const uri = mirror()
  if (!uri) throw new Error("apt's sources on this machine name no Debian mirror")
  const temporary = `${root}.${process.pid}`
  const folder = join(packages(), "usr/share/debootstrap")
  try {
    const script = ["sh", join(packages(), "usr/sbin/debootstrap"), "--variant=minbase", "trixie", temporary, uri]
    step(["env", `DEBOOTSTRAP_DIR=${folder}`, ...script], CACHE)
    renameSync(temporary, root)
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

/** Debian 13 as debootstrap's minbase has it, with the tool and the victims above it. Made once, kept in .cache. */
export function debianImage(): Image {
  const root = join(CACHE, "debian-minbase")
  if (!existsSync(root)) fetched(() => bootstrap(root))
  return { layers: [layer("debian", new Map([["usr/bin/stasis", STASIS], ...toUsr(victims(compileVictim))])), root] }
}

/** Debian's /bin is a link to /usr/bin. */
const toUsr = (files: [string, string][]): [string, string][] => files.map(([path, source]) => [`usr/${path}`, source])

/**
 * Devices: a folder with these nodes, to be mounted, and places for /dev/pts and /dev/shm.
 *
 * @param names of null, zero, full, random, urandom, tty
 */
export function devices(names: readonly string[]): string {
  const folder = scratch("dev")
  for (const path of ["pts", "shm"]) mkdirSync(join(folder, path))
  symlinkSync("pts/ptmx", join(folder, "ptmx"))
  for (const name of names) step(["mknod", "-m", "666", join(folder, name), "c", ...(NODES[name] ?? [])], folder)
  return folder
}

const NODES: Readonly<Record<string, readonly string[]>> = {
  null: ["1", "3"],
  zero: ["1", "5"],
  full: ["1", "7"],
  random: ["1", "8"],
  urandom: ["1", "9"],
  tty: ["5", "0"],
}
export const ALL_NODES = Object.keys(NODES)

/** The program that makes and keeps a container, see ./container.c. */
export const compileContainer = (): string =>
  compile(join(import.meta.dir, "container.c"), join(CACHE, "container"), ["-O1", "-Wall", "-Wextra", "-static"])
