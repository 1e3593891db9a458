import { expect, test } from "bun:test"
import { failuresOf, runAll } from "../../src/base/all.ts"

const step = (seen: number[]) => (item: number) => {
  seen.push(item)
  if (item % 2 === 0) throw new Error(`${item}`)
}

test("failuresOf goes on behind a failure, and keeps all of them", () => {
  const seen: number[] = []
  expect(failuresOf([1, 2, 3, 4], step(seen)).map(String)).toEqual(["Error: 2", "Error: 4"])
  expect(seen).toEqual([1, 2, 3, 4])
})

test("runAll throws the first when all have run, and tells the others", () => {
  const [seen, told]: [number[], unknown[]] = [[], []]
  expect(() => runAll([2, 3, 4, 6, 5], step(seen), (failure) => told.push(String(failure)))).toThrow("2")
  expect(seen).toEqual([2, 3, 4, 6, 5])
  expect(told).toEqual(["Error: 4", "Error: 6"])
  runAll([1, 3], step(seen), () => expect.unreachable())
})
