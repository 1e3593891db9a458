import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { restoreFutexSlots } from "../../src/kinds/attributes/futex-hash.ts"
import { collectFutureLocks, restoreFutureLocks } from "../../src/kinds/memory/future.ts"
import { readAutogroupNiceIfAlive } from "../../src/proc/attributes.ts"
import { type Answers, Program } from "../../src/tracee/program.ts"

describe("restoreFutexSlots", () => {
  /** What is run when the kernel says that there are `now` slots. */
  function calls(wanted: number | undefined, now: bigint): string[][] {
    const run: string[][] = []
    restoreFutexSlots(wanted, (program) => {
      run.push(program.describe())
      return { of: () => now, bytes: () => new Uint8Array() }
    })
    return run
  }
  const question = "#0 prctl(0x4e, 2, 0, 0, 0) = any"

  test("sets only what the kernel has not chosen itself", () => {
    expect(calls(16, 16n)).toEqual([[question]])
    expect(calls(64, 16n)).toEqual([[question], ["#0 prctl(0x4e, 1, 0x40, 0, 0) // a futex hash of 64 slots"]])
    expect(calls(0, 16n)[1]).toEqual(["#0 prctl(0x4e, 1, 0, 0, 0) // a futex hash of 0 slots"])
  })

  test("nothing where the image or the kernel knows no such hash", () => {
    expect(calls(undefined, 16n)).toEqual([])
    expect(calls(64, -22n)).toEqual([[question]])
  })
})

describe("locks of new areas", () => {
  const resident =
    (value: number) =>
    (program: Program): Answers => {
      expect(program.describe().map((line) => line.slice(3, line.indexOf("(")))).toEqual(["mmap", "mincore", "munmap"])
      return { of: () => 0n, bytes: () => Uint8Array.of(value) }
    }
  const unasked = (): Answers => {
    throw new Error("asked")
  }

  test("an area made for us counts as locked, or not", () => {
    expect(collectFutureLocks(8, 8, 8192, unasked)).toBe(0)
    expect(collectFutureLocks(8, 12, 8192, unasked)).toBe(0)
    expect(collectFutureLocks(8, 16, 8192, resident(1))).toBe(2)
    expect(collectFutureLocks(8, 16, 8192, resident(0))).toBe(6)
  })

  test("restore: mlockall for areas to come only", () => {
    const program = new Program()
    restoreFutureLocks(undefined, program)
    restoreFutureLocks(0, program)
    restoreFutureLocks(6, program)
    expect(program.describe().map((line) => line.split(" //")[0])).toEqual(["#0 mlockall(6)"])
  })
})

test("readAutogroupNiceIfAlive reads the nice value of our own group", () => {
  const text = readFileSync("/proc/self/autogroup", "utf8")
  expect(readAutogroupNiceIfAlive(process.pid)).toBe(Number(/nice (-?\d+)/.exec(text)?.[1]))
})
