import { expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { placed, refuseUnreadable, workingDirectory } from "../../src/cli/paths.ts"
import { canonical } from "../../src/cli/spelling.ts"
import { failureOf } from "../harness/failure.ts"

const main = join(import.meta.dir, "../../src/main.ts")

test("refuseUnreadable: a word that is not UTF-8, and none that has U+FFFD itself", () => {
  const refuse = (...bytes: number[]) => refuseUnreadable(["dump", "a\ufffd"], () => Buffer.from(bytes))
  expect(failureOf(() => refuse(0x61, 0xff, 0))).toMatchObject({ code: "E_USAGE", found: '"a\ufffd" is not UTF-8' })
  expect(() => refuse(0x61, 0xef, 0xbf, 0xbd, 0)).not.toThrow()
})

test("workingDirectory and placed: where the path is not UTF-8, absolute ones are taken", () => {
  expect(workingDirectory("/a\ufffd", () => Buffer.from("/a\ufffd"))).toBe("/a\ufffd")
  const cwd = workingDirectory("/a\ufffd", () => Buffer.of(0x2f, 0x61, 0xff))
  const line = canonical(["dump", "5"])
  expect(placed(line, cwd, "/images")).toBe("/images")
  expect(failureOf(() => placed(line, cwd, "."))).toMatchObject({ code: "E_USAGE", next: "Write an absolute path" })
})

test("stasis writes nothing beside a directory whose name is not UTF-8", () => {
  const folder = mkdtempSync(join(tmpdir(), "stasis-paths-"))
  try {
    const said = (script: string) => {
      const { exitCode, stderr } = Bun.spawnSync([
        "sh",
        "-c",
        `d=$(printf '${folder}/a\\377'); mkdir -p "$d"; ${script}`,
        process.execPath,
        main,
      ])
      return [exitCode, stderr.toString()]
    }
    expect(said('"$0" "$1" dump 1 "$d"')).toEqual([2, expect.stringContaining("is not UTF-8")])
    expect(said('cd "$d"; "$0" "$1" dump 1')).toEqual([2, expect.stringContaining("Write an absolute path")])
    expect(existsSync(join(folder, "a\ufffd"))).toBe(false)
    mkdirSync(join(folder, "a\ufffd"))
    expect(said(`"$0" "$1" show "${folder}/a\ufffd"`)[1]).not.toContain("UTF-8")
  } finally {
    rmSync(folder, { recursive: true })
  }
})
