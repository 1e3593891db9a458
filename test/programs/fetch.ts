/**
 * Servers and tools of Debian 13, fetched into .cache/daemons: nothing of this machine is changed. `bun test/programs/fetch.ts` runs it
 * alone.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fetchPackages } from "../harness/debian.ts"

const WANTED = {
  suite: "trixie",
  packages: ["redis-server", "redis-tools", "nginx-light", "sqlite3", "tmux", "python3", "nodejs"],
} as const

/** Gives the command of a fetched program, or undefined where the package no longer has it. */
export type Fetched = (program: string) => readonly string[] | undefined

const FOLDERS = ["usr/bin", "usr/sbin"]

/** The programs of the packages, or the reason why this machine cannot have them, for a skipped test to print. */
export function fetchPrograms(): Fetched | string {
  try {
    const root = fetchPackages("daemons", WANTED)
    const library = join(root, "usr/lib/x86_64-linux-gnu")
    const loader = [join(library, "ld-linux-x86-64.so.2"), "--library-path", library]
    return (program) => {
      const path = FOLDERS.map((folder) => join(root, folder, program)).find((path) => existsSync(path))
      if (!path) return undefined
      // Told by the environment, as it finds itself as the loader. The path's own folder would be the machine's.
      const python = program.startsWith("python3") ? ["env", `PYTHONHOME=${join(root, "usr")}`, "PYTHONDONTWRITEBYTECODE=1"] : []
      return [...python, ...loader, path]
    }
  } catch (error) {
    return `Cannot fetch programs of Debian 13: ${error instanceof Error ? error.message : error}`
  }
}

if (import.meta.main) {
  const found = fetchPrograms()
  console.log(typeof found === "string" ? found : found("redis-server")?.join(" "))
}
