import { appendFileSync, readFileSync } from "node:fs"

/** The file that test/run.ts names, for what its tests skip. */
export const NOTES = "STASIS_SKIPS"

/** A reason of the notes, and how many tests ended with it. */
export interface Skip {
  readonly why: string
  readonly tests: number
}

/** The reason of the running test, "" while it has none; undefined between tests. */
let reason: string | undefined

const note = (why: string, tests: number): void => {
  const path = process.env[NOTES]
  if (path !== undefined) appendFileSync(path, `${JSON.stringify({ why, tests } satisfies Skip)}\n`)
}

/**
 * Says that this machine lacks what a test needs. A test that says so and returns is counted as skipped by test/run.ts, for Bun, which
 * knows of none that skips itself, has it passed. Said while a file loads, beside `test.skipIf`, it only gives the reason.
 */
export function skip(why: string): undefined {
  const line = why.trim().replaceAll(/\s*\n\s*/g, "; ")
  console.log(`skipped: ${line}`)
  if (reason === undefined) note(line, 0)
  else reason ||= line
}

/** Called before each test. */
export function beginTest(): void {
  reason = ""
}

/** Called behind each test. */
export function endTest(): void {
  if (reason) note(reason, 1)
  reason = undefined
}

/** The reasons in a file of notes, each once. */
export function readSkips(path: string): Skip[] {
  const all = readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Skip)
  return mergeSkips(all)
}

export const mergeSkips = (all: readonly Skip[]): Skip[] =>
  [...Map.groupBy(all, ({ why }) => why)].map(([why, same]) => ({ why, tests: same.reduce((sum, { tests }) => sum + tests, 0) }))
