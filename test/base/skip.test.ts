import { expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { discard, ROOT, scratch } from "../harness/folders.ts"
import { NOTES, readSkips } from "../harness/skip.ts"

const FILE = `
import { describe, expect, test } from "bun:test"
import { skip } from "${ROOT}/test/harness/skip.ts"
skip("while it loads")
test.skipIf(true)("never run", () => {})
for (const name of ["one", "two"]) test(name, async () => { await Bun.sleep(1); return skip("no such\\n device\\n") })
test("several reasons", () => { skip("the first"); skip("the second") })
test("well", () => expect(1).toBe(1))
`

test("a test that skips itself is noted once, with its reason; what is said outside of tests is a reason only", () => {
  const folder = scratch("skip")
  const [file, notes] = [join(folder, "some.test.ts"), join(folder, "notes")]
  writeFileSync(file, FILE)
  const env = { ...process.env, [NOTES]: notes }
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, "test", file], { cwd: ROOT, env, stdout: "pipe", stderr: "ignore" })
  expect(exitCode).toBe(0)
  expect(stdout.toString()).toContain("skipped: no such; device\n")
  expect(readSkips(notes)).toEqual([
    { why: "while it loads", tests: 0 },
    { why: "no such; device", tests: 2 },
    { why: "the first", tests: 1 },
  ])
  discard(folder)
})
