/**
 * Packages of any Debian suite, fetched without installing anything: a private apt directory that knows nothing installed, the mirror that
 * this machine's apt uses, and Debian's signatures.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CACHE } from "./folders.ts"

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

/**
 * The first mirror of Debian itself (not of its security or backport archives) in apt's sources: URI and options of the old or the deb822
 * form.
 */
export function mirror(): string | undefined {
  const folder = "/etc/apt/sources.list.d"
  const lists = ["/etc/apt/sources.list", ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])]
  const archive = (uri: string | undefined) => uri && /\/debian\/?$/.test(uri)
  for (const path of lists.filter((path) => existsSync(path))) {
    const text = readFileSync(path, "utf8")
    if (path.endsWith(".sources")) {
      for (const [, uri] of text.matchAll(/^URIs:\s*(\S+)/gim)) if (archive(uri)) return uri
    } else if (path.endsWith(".list")) {
      for (const [, uri] of text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)/gm)) if (archive(uri)) return uri
    }
  }
  return undefined
}

/** Runs a command to its end, within four minutes. @returns what it printed @throws Error with its last words */
export function step(command: string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdin: "ignore", timeout: 240_000 })
  if (exitCode !== 0) throw new Error(`${command[0]} ended with ${exitCode}: ${stderr.toString().trim().split("\n").slice(-3).join("; ")}`)
  return stdout.toString()
}

/** What is wanted of a suite. */
export interface Wanted {
  readonly suite: string
  readonly packages: readonly string[]
  /** Which of the packages that they depend on are unpacked too. Default: all. */
  readonly only?: (file: string) => boolean
  /** Debian's name of an architecture. Default: this machine's. */
  readonly architecture?: string
}

/** Downloads and unpacks into `folder`. @throws Error when the network or the archive says no */
function download(folder: string, { suite, packages, only = () => true, architecture }: Wanted): void {
  const uri = mirror()
  if (!uri) throw new Error("apt's sources on this machine name no Debian mirror")
  const apt = join(folder, "apt")
  for (const path of ["lists/partial", "archives/partial"]) mkdirSync(join(apt, path), { recursive: true })
  writeFileSync(join(apt, "status"), "")
  writeFileSync(join(apt, "sources.list"), `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`)
  const settings = {
    "Dir::Etc::sourcelist": join(apt, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(apt, "lists"),
    "Dir::State::status": join(apt, "status"),
    "Dir::Cache": apt,
    "Dir::Cache::archives": join(apt, "archives"),
    "APT::Sandbox::User": "root",
    "Debug::NoLocking": "1",
    "APT::Install-Recommends": "0",
    "Acquire::http::Timeout": "20",
    "Acquire::Retries": "1",
    ...(architecture === undefined ? {} : { "APT::Architecture": architecture, "APT::Architectures": architecture }),
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])
  step(["apt-get", ...options, "update"], apt)
  step(["apt-get", ...options, "install", "-y", "--download-only", ...packages], apt)
  mkdirSync(join(folder, "root"))
  for (const name of readdirSync(join(apt, "archives")))
    if (name.endsWith(".deb") && only(name)) step(["dpkg-deb", "-x", join(apt, "archives", name), join(folder, "root")], folder)
  rmSync(apt, { recursive: true })
}

/**
 * A root directory with packages and what they depend on, fetched at the first call of all and kept in .cache.
 *
 * @param name of the folder in .cache
 * @throws Error the reason why this machine cannot have them: no Debian, no network
 */
export function fetchPackages(name: string, wanted: Wanted): string {
  if (process.arch !== "x64") throw new Error(`packages are fetched for x86-64 only, this is ${process.arch}`)
  const missing = ["apt-get", "dpkg-deb"].find((tool) => !Bun.which(tool))
  if (missing) throw new Error(`${missing} is missing: this is no Debian`)
  const folder = join(CACHE, name)
  if (!existsSync(folder)) {
    const temporary = `${folder}.${process.pid}`
    try {
      download(temporary, wanted)
      mkdirSync(CACHE, { recursive: true })
      // Tests in another process may have fetched the same meanwhile.
      if (!existsSync(folder)) renameSync(temporary, folder)
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
  return join(folder, "root")
}
