import { expect, test } from "bun:test"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const main = join(import.meta.dir, "../../src/main.ts")

/** Runs the program from source in an empty directory, which must be empty afterwards. */
function stasis(...words: string[]): { status: number; out: string; err: string } {
  const cwd = mkdtempSync(join(tmpdir(), "stasis-cli-"))
  try {
    const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, main, ...words], { cwd, stdin: "ignore" })
    expect(readdirSync(cwd)).toEqual([])
    return { status: exitCode, out: stdout.toString(), err: stderr.toString() }
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

test.each(["--version", "-V"])("stasis %s prints its name and version", (word) => {
  expect(stasis(word)).toEqual({ status: 0, out: "stasis source\n", err: "" })
})

test("stasis --help names every command; a command's help its options", () => {
  const all = stasis("--help")
  expect(all).toMatchObject({ status: 0, err: "" })
  for (const command of ["dump", "restore", "rseq", "check", "show"]) expect(all.out).toContain(`  ${command}`)
  const one = stasis("dump", "-h")
  expect(one).toMatchObject({ status: 0, err: "" })
  expect(one.out).toContain("-t, --tree <PID>")
  expect(one.out).not.toContain("--restore-detached")
})

test("a result that cannot be printed is told as such, not as a mistake of stasis", () => {
  const command = [process.execPath, main, "check", "--feature", "list"]
  const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", '"$@" >/dev/full', "sh", ...command], { stdin: "ignore" })
  expect(exitCode).toBe(6)
  expect(stderr.toString()).toContain("Cannot print the result: standard output takes nothing")
  expect(stderr.toString()).toContain("E_DISK_FULL")
})

test("a wrong command line ends with status 2 and says why on standard error only", () => {
  const { status, out, err } = stasis("dump", "--leave-runing", "1")
  expect({ status, out }).toEqual({ status: 2, out: "" })
  expect(err).toBe(
    [
      'Cannot run "stasis dump": "--leave-runing" is not an option',
      "         next    Did you mean --leave-running?",
      "         code    E_USAGE\n",
    ].join("\n"),
  )
})

test("an option of CRIU that is not there ends with status 2, with --json as one object", () => {
  const { status, out, err } = stasis("dump", "1", "--stream", "--json")
  expect({ status, out }).toEqual({ status: 2, out: "" })
  expect(JSON.parse(err)).toMatchObject({ error: { code: "E_OPTION_UNSUPPORTED", action: 'Cannot run "stasis dump"', because: [] } })
})

test("no words at all end with status 2", () => {
  expect(stasis()).toMatchObject({ status: 2, out: "" })
})
