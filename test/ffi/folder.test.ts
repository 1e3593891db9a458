import { expect, test } from "bun:test"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { readNumbersSync } from "../../ffi/folder.ts"
import { numbersIfAlive } from "../../src/proc/source.ts"
import { failureOf } from "../harness/failure.ts"
import { scratch } from "../harness/folders.ts"

const sorted = (numbers: number[]): number[] => numbers.toSorted((a, b) => a - b)

test("readNumbersSync tells the names that are numbers, and no others", () => {
  const folder = join(scratch("numbers"), "mixed")
  mkdirSync(folder)
  for (const name of ["10", "9", "x9", "9x", "4194304", "0", "self", "-1", "1.5"]) writeFileSync(join(folder, name), "")
  expect(sorted(readNumbersSync(folder))).toEqual([0, 9, 10, 4194304])
})

test("readNumbersSync tells more numbers than there was room for; numbersIfAlive sorts them", () => {
  const folder = join(scratch("numbers"), "many")
  mkdirSync(folder)
  const many = 20_000
  for (let number = 0; number < many; number++) writeFileSync(join(folder, `${number}`), "")
  expect(sorted(readNumbersSync(folder))).toEqual([...Array(many).keys()])
  expect(numbersIfAlive(folder)).toEqual([...Array(many).keys()])
  expect(readNumbersSync(join(folder, ".."))).toEqual([])
})

// In the order of their birth, which is another one when IDs have begun anew.
test("readNumbersSync tells the threads of a process", () =>
  expect(sorted(readNumbersSync("/proc/self/task"))).toEqual(sorted(readdirSync("/proc/self/task").map(Number))))

test("readNumbersSync fails as node:fs does", () => {
  expect(failureOf(() => readNumbersSync("/proc/self/no-such-folder"))).toMatchObject({ code: "ENOENT" })
  expect(failureOf(() => readNumbersSync("/proc/self/stat"))).toMatchObject({ code: "ENOTDIR" })
})
