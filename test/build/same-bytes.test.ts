import { afterAll, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ROOT } from "../harness/folders.ts"

const base = mkdtempSync(join(tmpdir(), "stasis-same-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))

/** Builds the portable executable, and the program in it, out of a copy of the tree. @returns its hash */
function build(copy: string, outfile: string): string {
  mkdirSync(copy, { recursive: true })
  const packages = Object.keys(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).dependencies)
  const wanted = ["build", "ffi", "proto", "src", "package.json", "tsconfig.json", ...packages.map((name) => `node_modules/${name}`)]
  for (const name of wanted) cpSync(join(ROOT, name), join(copy, name), { recursive: true, dereference: true })
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(copy, "build/portable.ts"), `--outfile=${outfile}`], { cwd: copy })
  if (exitCode !== 0) throw new Error(stderr.toString())
  return createHash("sha256")
    .update(readFileSync(join(copy, outfile)))
    .digest("hex")
}

test.skipIf(process.arch !== "x64")("two builds, in different directories and with different names, give the same bytes", () => {
  expect(build(join(base, "a"), "dist/stasis-portable")).toBe(build(join(base, "b/much deeper"), "other/name"))
})
