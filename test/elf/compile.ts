import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A program made by the C compiler, removed again when disposed. */
export interface Compiled {
  readonly path: string
  readonly [Symbol.dispose]: () => void
}

/** Whether a C compiler is there; tests that need one are skipped without it. */
export const hasCompiler = Bun.which("cc") !== null

/** Compiles one C file. @throws Error with the compiler's words */
export function compile(source: string, ...options: string[]): Compiled {
  const folder = mkdtempSync(join(tmpdir(), "stasis-test-"))
  const path = join(folder, "program")
  const { exitCode, stderr } = Bun.spawnSync(["cc", "-o", path, source, ...options], { stderr: "pipe" })
  const dispose = () => rmSync(folder, { recursive: true, force: true })
  if (exitCode === 0) return { path, [Symbol.dispose]: dispose }
  dispose()
  throw new Error(`cc ${source}: ${stderr.toString()}`)
}
