/** Fetches CRIU of Debian 13 (trixie) and its libraries into .cache/criu. `bun test/crossing/fetch.ts` runs it alone. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { compiler } from "../harness/compile.ts"
import { fetchPackages, step } from "../harness/debian.ts"
import type { Tool } from "../harness/tool.ts"

const WANTED = { suite: "trixie", packages: ["criu", "python3-pycriu"] } as const

/** The fetched tools as commands: CRIU itself, and crit, which decodes images. */
export interface Peer {
  readonly criu: Tool
  readonly crit: Tool
  readonly version: string
}

/** The loader's words for passcred.c, without which CRIU 4.1.1 can dump no socket of the internet here; none without a compiler. */
function answering(folder: string): string[] {
  const [source, library] = [join(import.meta.dir, "passcred.c"), join(folder, "passcred.so")]
  const name = compiler()
  if (name === undefined) return []
  step([name, "-shared", "-fPIC", "-nostdlib", "-O1", "-o", library, source], folder)
  return ["--preload", library]
}

function peer(root: string): Peer {
  const library = join(root, "usr/lib/x86_64-linux-gnu")
  const loader = [join(library, "ld-linux-x86-64.so.2"), "--library-path", library]
  const python = readdirSync(join(root, "usr/bin")).find((name) => /^python3\.\d+$/.test(name)) ?? "python3"
  const environment = [
    "env",
    `PYTHONHOME=${join(root, "usr")}`,
    `PYTHONPATH=${join(root, "usr/lib/python3/dist-packages")}`,
    "PYTHONDONTWRITEBYTECODE=1",
  ]
  const criu: Tool = { name: "criu", command: [...loader, ...answering(root), join(root, "usr/sbin/criu")] }
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
  try {
    const root = fetchPackages("criu", WANTED)
    const found = peer(root)
    avoidDeafBreakpoints(found.criu, dirname(root))
    return found
  } catch (error) {
    return `Cannot fetch CRIU of Debian 13: ${error instanceof Error ? error.message : error}`
  }
}

if (import.meta.main) {
  const found = fetchPeer()
  console.log(typeof found === "string" ? found : `CRIU ${found.version}: ${found.criu.command.join(" ")}`)
}
