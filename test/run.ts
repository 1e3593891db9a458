/**
 * `npm test`: check, build, unit, live, programs, crossing, container and kernel tests. `npm test -- live unit` runs only
 * the parts named. A test that fails is run a second time, alone, when its part has ended; it counts as passed when it passes then, and the
 * summary names it with what it threw: such a test is to be mended. Ends with the line "N passed, N failed, N skipped", reasons of the
 * skipped ones before it, and status 1 when anything failed. Most tests wait for much of their time: they run in two processes at once, see
 * ./harness/lanes.ts; what the second one prints comes when both have ended.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compileReaper } from "./harness/compile.ts"
import { CACHE } from "./harness/folders.ts"
import { type Failure, failures, pattern, skippedFiles } from "./harness/junit.ts"
import { lanesOf, STEPS, type TestPart } from "./harness/lanes.ts"
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

/** More failures than this in a part are not unsteady tests, and are not run again. */
const AGAIN_AT_MOST = 10

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

const gates: Record<string, () => Promise<number>> = {
  check: () => show([BUN, "build/check.ts"]),
  build: () => show([BUN, "build/compile.ts"]),
}

/** A part with what came of it. */
type Outcome = readonly [part: string, count: Count, seconds: number]

/** Runs parts at once, each in its lanes. What other lanes than the first print comes when all have ended. */
async function runTests(names: readonly TestPart[]): Promise<Outcome[]> {
  const started = performance.now()
  const logs: string[] = []
  const parts = names.map(async (name, part): Promise<Outcome> => {
    const lanes = lanesOf(name).map((files, index) => {
      const title = index === 0 ? name : `${name}-${index + 1}`
      if (part + index === 0) return run(title, files)
      const log = join(CACHE, `${title}.log`)
      logs.push(log)
      return run(title, files, (command) => showLater(command, log))
    })
    return [name, sum(await Promise.all(lanes)), seconds(started)]
  })
  const outcomes = await Promise.all(parts)
  for (const log of logs) console.log(readFileSync(log, "utf8"))
  const settled: Outcome[] = []
  for (const [name, count, took] of outcomes) {
    const before = performance.now()
    settled.push([name, await again(name, count), took + seconds(before)])
  }
  return settled
}

/** Since a time of performance.now(). */
const seconds = (started: number): number => (performance.now() - started) / 1000

async function runStep(names: readonly string[]): Promise<Outcome[]> {
  const started = performance.now()
  const [first = ""] = names
  const gate = gates[first]
  return gate ? [[first, single(await gate()), seconds(started)]] : runTests(names as TestPart[])
}

const total: Count = { passed: 0, failed: 0, skipped: 0, skips: [], faults: [] }
const summary: string[] = []

function add([name, { passed, failed, skipped, skips, faults }, took]: Outcome): void {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
  total.skips.push(...skips)
  total.faults.push(...faults)
  const counts = `${`${passed}`.padStart(5)} passed ${`${failed}`.padStart(4)} failed ${`${skipped}`.padStart(4)} skipped`
  summary.push(`${name.padEnd(10)} ${counts} ${took.toFixed(0).padStart(5)} s`)
}

require()
const known: readonly string[] = STEPS.flat()
const wanted = process.argv.length > 2 ? process.argv.slice(2) : known
const unknown = wanted.find((name) => !known.includes(name))
if (unknown) {
  console.error(`No part is called ${unknown}: ${known.join(", ")}`)
  process.exit(2)
}

for (const step of STEPS) {
  const names = step.filter((name) => wanted.includes(name))
  if (names.length === 0) continue
  heading(names.join(", "))
  const outcomes = await runStep(names)
  outcomes.forEach(add)
  if (outcomes.some(([name, { failed }]) => name === "build" && failed > 0)) break
}
heading("summary")
for (const fault of total.faults) console.log(told(fault))
for (const { why, tests } of mergeSkips(total.skips)) console.log(`skipped${tests > 0 ? ` (${tests})` : ""}: ${why}`)
console.log(summary.join("\n"))
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exit(total.failed > 0 ? 1 : 0)
