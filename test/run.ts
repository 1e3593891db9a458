/**
 * `npm test`: check, build, unit, live, programs, crossing, container and kernel tests, in this order. `npm test -- live unit` runs only
 * the parts named. A test that fails is run a second time, alone, at the end of its part; it counts as passed when it passes then, and the
 * summary names it with what it threw: such a test is to be mended. Ends with the line "N passed, N failed, N skipped", reasons of the
 * skipped ones before it, and status 1 when anything failed. Live, crossing and kernel tests, which wait for much of their time, run in two
 * processes at once; what the second one prints comes when the first has ended.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compileReaper } from "./harness/compile.ts"
import { CACHE, ROOT } from "./harness/folders.ts"
import { type Failure, failures, pattern, skippedFiles } from "./harness/junit.ts"
import { heading, require, show, showLater } from "./harness/script.ts"
import { mergeSkips, NOTES, readSkips, type Skip } from "./harness/skip.ts"

/** How many tests a part ran. */
interface Count {
  passed: number
  failed: number
  skipped: number
  /** Why tests were skipped. */
  skips: Skip[]
  /** Failures of the first run, and whether the second passed. */
  faults: (Failure & { again: boolean })[]
}

const BUN = process.execPath
/** Milliseconds for a test that does not say how long it may take; each wait inside has a shorter deadline of its own. */
const TIMEOUT_MS = 60_000

/** Folders of test/ that hold tests without a live part of their own below. */
const unitFolders = (): string[] =>
  readdirSync(join(ROOT, "test"), { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isDirectory() &&
        !["live", "programs", "crossing", "containers", "kernels", "bench", "victims", "harness"].includes(entry.name),
    )
    .map(({ name }) => `test/${name}/`)
    .filter((folder) => readdirSync(join(ROOT, folder), { recursive: true }).some((name) => `${name}`.endsWith(".test.ts")))

/** One thing that is done or not: a gate, a build. */
const single = (status: number): Count => ({
  passed: status === 0 ? 1 : 0,
  failed: status === 0 ? 0 : 1,
  skipped: 0,
  skips: [],
  faults: [],
})

/**
 * The counts of a JUnit report's first element. A run that ended badly without a failed test (a file that does not load) is one failure.
 *
 * @param skips what the tests said; Bun has those that skipped themselves as passed
 */
function countReport(report: string, status: number, skips: readonly Skip[]): Count {
  const head = /<testsuites [^>]*>/.exec(report)?.[0] ?? ""
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0)
  const [tests, failed, unrun] = [number("tests"), number("failures"), number("skipped")]
  const skipped = unrun + skips.reduce((sum, { tests }) => sum + tests, 0)
  const files = [...skippedFiles(report)].map(([file, count]) => ({ why: `in ${file}`, tests: count }))
  const rest = { skipped, skips: [...skips, ...files], faults: failures(report).map((failure) => ({ ...failure, again: false })) }
  const failedToo = tests === 0 || (failed === 0 && status !== 0) ? 1 : 0
  return { passed: Math.max(0, tests - failed - skipped), failed: failed + failedToo, ...rest }
}

async function run(name: string, args: readonly string[], showing: typeof show = show): Promise<Count> {
  mkdirSync(CACHE, { recursive: true })
  const [path, notes] = [join(CACHE, `${name}.xml`), join(CACHE, `${name}.skips`)]
  rmSync(path, { force: true })
  writeFileSync(notes, "")
  const report = ["--reporter=junit", `--reporter-outfile=${path}`]
  const status = await showing(["env", `${NOTES}=${notes}`, compileReaper(), BUN, "test", `--timeout=${TIMEOUT_MS}`, ...report, ...args])
  return countReport(existsSync(path) ? readFileSync(path, "utf8") : "", status, readSkips(notes))
}

const sum = (counts: readonly Count[]): Count =>
  counts.reduce((all, { passed, failed, skipped, skips, faults }) => ({
    passed: all.passed + passed,
    failed: all.failed + failed,
    skipped: all.skipped + skipped,
    skips: [...all.skips, ...skips],
    faults: [...all.faults, ...faults],
  }))

/** Runs two lists of files at once. */
async function runBoth(name: string, [first, second]: readonly [readonly string[], readonly string[]]): Promise<Count> {
  const path = join(CACHE, `${name}.second.log`)
  const counts = await Promise.all([run(name, first), run(`${name}-second`, second, (command) => showLater(command, path))])
  console.log(readFileSync(path, "utf8"))
  return sum(counts)
}

/** More failures than this in a part are not unsteady tests, and are not run again. */
const AGAIN_AT_MOST = 10

async function bunTest(name: string, folders: readonly string[]): Promise<Count> {
  return again(name, await run(name, folders))
}

/** Runs what has failed once more. */
async function again(name: string, count: Count): Promise<Count> {
  if (count.faults.length !== count.failed || count.failed > AGAIN_AT_MOST) return count
  for (const [file, faults] of Map.groupBy(count.faults, (fault) => fault.file)) {
    const second = await run(`${name}-again`, [file, "-t", pattern(faults.map((fault) => fault.name))])
    if (second.passed + second.faults.length < faults.length) continue
    for (const fault of faults) fault.again = !second.faults.some((other) => other.name === fault.name)
  }
  const mended = count.faults.filter((fault) => fault.again).length
  return { ...count, passed: count.passed + mended, failed: count.failed - mended }
}

/** The lines of the summary for a test that failed. */
const told = ({ file, name, text, again }: Failure & { again: boolean }): string =>
  [
    `${again ? "passed only the second time" : "failed"}: ${file}: ${name}`,
    ...text
      .split("\n")
      .slice(0, 40)
      .map((line) => `    ${line}`),
  ].join("\n")

/**
 * Tests that run beside the others of their folder: they take about as long as all those together, and use nothing that others could take
 * or look for in the whole machine: no terminal, segment, connection or table of nf_tables.
 */
const BESIDE = {
  live: [
    "clocks",
    "crash",
    "departs",
    "ends",
    "filesystems",
    "freezer",
    "interrupt",
    "moving",
    "restore-killed",
    "rseq",
    "storms",
    "vdso",
    "without",
  ],
  crossing: ["clocks", "cpu", "filesystems"],
  kernels: ["arm64"],
} as const

/** Runs the test files of a folder in two processes at once. */
async function bunTestTwice(name: keyof typeof BESIDE): Promise<Count> {
  const folder = `test/${name}`
  const beside = BESIDE[name].map((file) => `${folder}/${file}.test.ts`)
  const files = readdirSync(join(ROOT, folder)).filter((file) => file.endsWith(".test.ts"))
  const others = files.map((file) => `${folder}/${file}`).filter((file) => !beside.includes(file))
  return again(name, await runBoth(name, [others, beside]))
}

const parts: Record<string, () => Promise<Count>> = {
  check: async () => single(await show([BUN, "build/check.ts"])),
  build: async () => single(await show([BUN, "build/compile.ts"])),
  unit: () => bunTest("unit", unitFolders()),
  live: () => bunTestTwice("live"),
  programs: () => bunTest("programs", ["test/programs/"]),
  crossing: () => bunTestTwice("crossing"),
  containers: () => bunTest("containers", ["test/containers/"]),
  kernels: () => bunTestTwice("kernels"),
}

require()
const wanted = process.argv.slice(2)
const unknown = wanted.find((name) => !(name in parts))
if (unknown) {
  console.error(`No part is called ${unknown}: ${Object.keys(parts).join(", ")}`)
  process.exit(2)
}

const total: Count = { passed: 0, failed: 0, skipped: 0, skips: [], faults: [] }
const summary: string[] = []
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  heading(name)
  const started = performance.now()
  const { passed, failed, skipped, skips, faults } = await part()
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
  total.skips.push(...skips)
  total.faults.push(...faults)
  summary.push(
    `${name.padEnd(10)} ${`${passed}`.padStart(5)} passed ${`${failed}`.padStart(4)} failed ${`${skipped}`.padStart(4)} skipped ${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s`,
  )
  if (name === "build" && failed > 0) break
}
heading("summary")
for (const fault of total.faults) console.log(told(fault))
for (const { why, tests } of mergeSkips(total.skips)) console.log(`skipped${tests > 0 ? ` (${tests})` : ""}: ${why}`)
console.log(summary.join("\n"))
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exit(total.failed > 0 ? 1 : 0)
