import { afterEach, beforeEach, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { CheckpointError } from "../../src/base/errors.ts"
import { logger, logTo } from "../../src/base/log.ts"
import { reportFailure } from "../../src/cli/failure.ts"
import { openSession } from "../../src/cli/session.ts"

let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "stasis-session-"))
})
afterEach(() => {
  logTo(2, 2)
  rmSync(scratch, { recursive: true })
})

test("openSession empties the log file and sends lines there", () => {
  const logFile = join(scratch, "dump.log")
  writeFileSync(logFile, "old\n")
  openSession("dump", { logFile, verbosity: 3, statusFd: undefined })
  logger("test").info("hello")
  expect(readFileSync(logFile, "utf8")).toMatch(/^\(\d+\.\d{6}\) test: hello\n$/)
})

test("openSession makes a log file that only its owner reads", () => {
  const logFile = join(scratch, "new.log")
  openSession("dump", { logFile, verbosity: 2, statusFd: undefined })
  expect(statSync(logFile).mode & 0o777).toBe(0o600)
})

test("openSession makes the directory of a dump's images for their log, and of nothing else", () => {
  const imagesDir = join(scratch, "images")
  const logFile = join(imagesDir, "dump.log")
  expect(() => openSession("restore", { logFile, verbosity: 2, statusFd: undefined, imagesDir })).toThrow("Cannot log")
  expect(() => openSession("dump", { logFile, verbosity: 2, statusFd: undefined, imagesDir: scratch })).toThrow("Cannot log")
  openSession("dump", { logFile, verbosity: 2, statusFd: undefined, imagesDir })
  expect(readFileSync(logFile, "utf8")).toBe("")
})

test("openSession refuses a log file that cannot be made, and a descriptor that is closed", () => {
  const logFile = join(scratch, "missing/dump.log")
  expect(() => openSession("dump", { logFile, verbosity: 2, statusFd: undefined })).toThrow(`Cannot log to "${logFile}"`)
  expect(() => openSession("dump", { logFile: undefined, verbosity: 2, statusFd: 987 })).toThrow("--status-fd 987 is not open")
})

test("a failure is in the log file too, as text whatever standard error gets, but with -v0", () => {
  const logFile = join(scratch, "dump.log")
  const failed = (verbosity: number): string => {
    openSession("dump", { logFile, verbosity, statusFd: undefined })
    expect(reportFailure(new CheckpointError("E_IO", "Cannot write x", "it is full", "Free space"), true)).toBe(6)
    return readFileSync(logFile, "utf8")
  }
  expect(failed(1)).toMatch(/^\(\d+\.\d{6}\) error: Cannot write x: it is full\n {9}next {4}Free space\n {9}code {4}E_IO\n$/)
  expect(failed(0)).toBe("")
})
