/**
 * Fetches CRIU of Debian 13 (trixie) and its libraries into .cache/criu, without installing anything: a private apt directory
 * that knows nothing installed, the mirror that this machine's apt uses, and Debian's signatures. `bun test/crossing/fetch.ts` runs it alone.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compiler } from "../harness/compile.ts"
import { CACHE } from "../harness/folders.ts"
import type { Tool } from "../harness/tool.ts"

const SUITE = "trixie"
const PACKAGES = ["criu", "python3-pycriu"]
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

/** The fetched tools as commands: CRIU itself, and crit, which decodes images. */
export interface Peer {
  readonly criu: Tool
  readonly crit: Tool
  readonly version: string
}

/** The first mirror of Debian itself (not of its security or backport archives) in apt's sources: URI and options of the old or the deb822 form. */
function mirror(): string | undefined {
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

function step(command: string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stdin: "ignore", timeout: 240_000 })
  if (exitCode !== 0) throw new Error(`${command[0]} ended with ${exitCode}: ${stderr.toString().trim().split("\n").slice(-3).join("; ")}`)
  return stdout.toString()
}

/** Downloads and unpacks into `folder`. @throws Error when the network or the archive says no */
function download(folder: string): void {
  const uri = mirror()
  if (!uri) throw new Error("apt's sources on this machine name no Debian mirror")
  const apt = join(folder, "apt")
  for (const path of ["lists/partial", "archives/partial"]) mkdirSync(join(apt, path), { recursive: true })
  writeFileSync(join(apt, "status"), "")
  writeFileSync(join(apt, "sources.list"), `deb [signed-by=${KEYRING}] ${uri} ${SUITE} main\n`)
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
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])
  step(["apt-get", ...options, "update"], apt)
  step(["apt-get", ...options, "install", "-y", "--download-only", ...PACKAGES], apt)
  mkdirSync(join(folder, "root"))
  for (const name of readdirSync(join(apt, "archives")))
    if (name.endsWith(".deb")) step(["dpkg-deb", "-x", join(apt, "archives", name), join(folder, "root")], folder)
  rmSync(apt, { recursive: true })
}

/** The loader's words for passcred.c, without which CRIU 4.1.1 can dump no socket of the internet here; none without a compiler. */
function answering(folder: string): string[] {
  const [source, library] = [join(import.meta.dir, "passcred.c"), join(folder, "passcred.so")]
  const name = compiler()
  if (name === undefined) return []
  step([name, "-shared", "-fPIC", "-nostdlib", "-O1", "-o", library, source], folder)
  return ["--preload", library]
}

function peer(folder: string): Peer {
  const root = join(folder, "root")
  const library = join(root, "usr/lib/x86_64-linux-gnu")
  const loader = [join(library, "ld-linux-x86-64.so.2"), "--library-path", library]
  const python = readdirSync(join(root, "usr/bin")).find((name) => /^python3\.\d+$/.test(name)) ?? "python3"
  const environment = [
    "env",
    `PYTHONHOME=${join(root, "usr")}`,
    `PYTHONPATH=${join(root, "usr/lib/python3/dist-packages")}`,
    "PYTHONDONTWRITEBYTECODE=1",
  ]
  const criu: Tool = { name: "criu", command: [...loader, ...answering(folder), join(root, "usr/sbin/criu")] }
  const crit: Tool = { name: "crit", command: [...environment, ...loader, join(root, "usr/bin", python), join(root, "usr/bin/crit")] }
  const version = /Version: (\S+)/.exec(step([...criu.command, "--version"], root))?.[1] ?? "unknown"
  return { criu, crit, version }
}

/** CRIU's own switch that makes it single-step by system calls where it would set a hardware breakpoint. */
const NO_BREAKPOINTS = "130"

/** Whether CRIU can dump a sleeping program here within a few seconds. */
function dumps({ command }: Tool, folder: string): boolean {
  const images = mkdtempSync(join(folder, "trial-"))
  const sleeper = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore"] })
  try {
    const trial = Bun.spawnSync([...command, "dump", "-t", `${sleeper.pid}`, "-D", images, "-j", "-R"], {
      timeout: 4_000,
      killSignal: "SIGKILL",
    })
    return trial.exitCode === 0
  } finally {
    sleeper.kill("SIGKILL")
    rmSync(images, { recursive: true, force: true })
  }
}

/**
 * On some virtual machines hardware breakpoints never fire (seen on AMD hosts), and CRIU, which waits for one after each injection, hangs
 * there for ever. It is then told, for this test run, to do without.
 */
function avoidDeafBreakpoints(criu: Tool, folder: string): void {
  if (process.env.CRIU_FAULT !== undefined || dumps(criu, folder)) return
  process.env.CRIU_FAULT = NO_BREAKPOINTS
  console.log("CRIU hangs on this machine's hardware breakpoints: it runs without them (CRIU_FAULT=130)")
}

/**
 * The real CRIU, fetched at the first call of all and kept in .cache/criu.
 *
 * @returns the tools, or the reason why this machine cannot have them, for a skipped test to print
 */
export function fetchPeer(): Peer | string {
  if (process.arch !== "x64") return `CRIU is fetched for x86-64 only, this is ${process.arch}`
  const missing = ["apt-get", "dpkg-deb"].find((name) => !Bun.which(name))
  if (missing) return `${missing} is missing: this is no Debian`
  const folder = join(CACHE, "criu")
  try {
    if (!existsSync(folder)) {
      const temporary = `${folder}.${process.pid}`
      try {
        download(temporary)
        mkdirSync(CACHE, { recursive: true })
        renameSync(temporary, folder)
      } finally {
        rmSync(temporary, { recursive: true, force: true })
      }
    }
    const found = peer(folder)
    avoidDeafBreakpoints(found.criu, folder)
    return found
  } catch (error) {
    return `Cannot fetch CRIU of Debian 13: ${error instanceof Error ? error.message : error}`
  }
}

if (import.meta.main) {
  const found = fetchPeer()
  console.log(typeof found === "string" ? found : `CRIU ${found.version}: ${found.criu.command.join(" ")}`)
}
