import { afterEach, beforeEach, expect, test } from "bun:test"
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { asTrial, gatherWarnings, logger, logTo } from "../../src/base/log.ts"

const early = logger("early")
let scratch: string
let path: string
let fd: number
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "stasis-log-"))
  path = join(scratch, "log")
  fd = openSync(path, "a")
})
afterEach(() => {
  logTo(2, 2)
  closeSync(fd)
  rmSync(scratch, { recursive: true })
})

/** The lines written, without their times. */
const lines = (): string[] =>
  readFileSync(path, "utf8")
    .replace(/^\(\d+\.\d{6}\) /gm, "")
    .split("\n")
    .slice(0, -1)

test.each([
  [0, []],
  [1, ["error: early: e"]],
  [2, ["error: early: e", "warning: early: w"]],
  [3, ["error: early: e", "warning: early: w", "early: i"]],
  [4, ["error: early: e", "warning: early: w", "early: i", "early: d"]],
  [9, ["error: early: e", "warning: early: w", "early: i", "early: d"]],
])("logTo at verbosity %i reaches a logger made before it", (verbosity, expected) => {
  logTo(fd, verbosity)
  early.error("e")
  early.warn("w")
  early.info("i")
  early.debug("d")
  expect(lines()).toEqual(expected)
})

test("logger made after logTo has its level", () => {
  logTo(fd, 4)
  logger("late").debug("d")
  expect(lines()).toEqual(["late: d"])
})

test("logger writes equal lines as often as they were logged", () => {
  logTo(fd, 3)
  for (let i = 0; i < 20; i++) early.info("same")
  expect(lines()).toEqual(Array(20).fill("early: same"))
})

test("logger loses a line rather than throw when it cannot be written", () => {
  logTo(openSync("/dev/full", "a"), 3)
  expect(() => early.info("lost")).not.toThrow()
})

test("logger writes objects when it is to", () => {
  logTo(fd, 3, "json")
  early.warn('a "b"\nc')
  early.info("d")
  const [first, second, ...more] = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).log)
  expect([first, second]).toMatchObject([
    { level: "warning", tag: "early", text: 'a "b"\nc' },
    { level: "info", tag: "early", text: "d" },
  ])
  expect(first.seconds).toBeGreaterThanOrEqual(0)
  expect(more).toEqual([])
})

test("a trial's lines of every level are debug ones, and none of its warnings is gathered", () => {
  const tellAll = () => {
    early.error("e")
    early.warn("w")
    early.info("i")
    early.debug("d")
  }
  logTo(fd, 3)
  expect(gatherWarnings(() => asTrial(tellAll))).toMatchObject({ warnings: [] })
  expect(() => asTrial(() => JSON.parse("{"))).toThrow()
  expect(lines()).toEqual([])
  early.error("after")
  logTo(fd, 4)
  asTrial(tellAll)
  expect(lines()).toEqual(["error: early: after", "early: e", "early: w", "early: i", "early: d"])
})
