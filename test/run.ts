/**
 * `npm test`: check, build, unit, live and crossing tests, in this order. `npm test -- live unit` runs only the parts named.
 * Ends with the line "N passed, N failed", ", N skipped" behind it where tests were skipped, and status 1 when anything failed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { CACHE, ROOT } from "./harness/folders.ts"
import { heading, require, show } from "./harness/script.ts"

/** How many tests a part ran. */
interface Count {
  passed: number
  failed: number
  skipped: number
}

const BUN = process.execPath
/** Milliseconds for a test that does not say how long it may take; each wait inside has a shorter deadline of its own. */
const TIMEOUT_MS = 60_000

/** Folders of test/ that hold tests without a live part of their own below. */
const unitFolders = (): string[] =>
  readdirSync(join(ROOT, "test"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !["live", "crossing", "bench", "victims", "harness"].includes(entry.name))
    .map(({ name }) => `test/${name}/`)
    .filter((folder) => readdirSync(join(ROOT, folder), { recursive: true }).some((name) => `${name}`.endsWith(".test.ts")))

/** One thing that is done or not: a gate, a build. */
const single = (status: number): Count => ({ passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 })

/** The counts of a JUnit report's first element. A run that ended badly without a failed test (a file that does not load) is one failure. */
function countReport(path: string, status: number): Count {
  const head = existsSync(path) ? (/<testsuites [^>]*>/.exec(readFileSync(path, "utf8"))?.[0] ?? "") : ""
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0)
  const [tests, failed, skipped] = [number("tests"), number("failures"), number("skipped")]
  if (tests === 0 || (failed === 0 && status !== 0)) return { passed: Math.max(0, tests - skipped), failed: failed + 1, skipped }
  return { passed: tests - failed - skipped, failed, skipped }
}

async function bunTest(name: string, folders: readonly string[]): Promise<Count> {
  mkdirSync(CACHE, { recursive: true })
  const report = join(CACHE, `${name}.xml`)
  rmSync(report, { force: true })
  const status = await show([BUN, "test", `--timeout=${TIMEOUT_MS}`, "--reporter=junit", `--reporter-outfile=${report}`, ...folders])
  return countReport(report, status)
}

const parts: Record<string, () => Promise<Count>> = {
  check: async () => single(await show([BUN, "build/check.ts"])),
  build: async () => single(await show([BUN, "build/compile.ts"])),
  unit: () => bunTest("unit", unitFolders()),
  live: () => bunTest("live", ["test/live/"]),
  crossing: () => bunTest("crossing", ["test/crossing/"]),
}

require()
const wanted = process.argv.slice(2)
const unknown = wanted.find((name) => !(name in parts))
if (unknown) {
  console.error(`No part is called ${unknown}: ${Object.keys(parts).join(", ")}`)
  process.exit(2)
}

const total: Count = { passed: 0, failed: 0, skipped: 0 }
const summary: string[] = []
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  heading(name)
  const started = performance.now()
  const { passed, failed, skipped } = await part()
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
  summary.push(
    `${name.padEnd(10)} ${`${passed}`.padStart(5)} passed ${`${failed}`.padStart(4)} failed ${`${skipped}`.padStart(4)} skipped ${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s`,
  )
  if (name === "build" && failed > 0) break
}
heading("summary")
console.log(summary.join("\n"))
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`)
process.exit(total.failed > 0 ? 1 : 0)
