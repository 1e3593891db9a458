import { afterEach, beforeEach, expect, test } from "bun:test"
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { announceReady } from "../../src/flow/ready.ts"

let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "stasis-ready-"))
})
afterEach(() => rmSync(scratch, { recursive: true }))

test("announceReady writes the PID, then one zero byte, and closes the descriptor", () => {
  const [pidfile, status] = [join(scratch, "pid"), join(scratch, "status")]
  const statusFd = openSync(status, "w")
  announceReady({ pidfile, statusFd }, 42)
  expect(readFileSync(pidfile, "utf8")).toBe("42")
  expect(statSync(pidfile).mode & 0o777).toBe(0o600)
  expect([...readFileSync(status)]).toEqual([0])
  expect(() => fstatSync(statusFd)).toThrow("EBADF")
})

test("announceReady replaces an older pidfile", () => {
  const pidfile = join(scratch, "pid")
  writeFileSync(pidfile, "4194304")
  announceReady({ pidfile, statusFd: undefined }, 7)
  expect(readFileSync(pidfile, "utf8")).toBe("7")
})

test("announceReady says which of the two it could not write", () => {
  const pidfile = join(scratch, "missing/pid")
  expect(() => announceReady({ pidfile, statusFd: undefined }, 7)).toThrow(`Cannot write PID 7 to "${pidfile}"`)
  const statusFd = openSync("/dev/null", "r")
  try {
    expect(() => announceReady({ pidfile: undefined, statusFd }, 7)).toThrow(`Cannot write to descriptor ${statusFd}`)
  } finally {
    closeSync(statusFd)
  }
})
