import { expect, test } from "bun:test"
import { allAtOnce, failuresOf, runAll } from "../../src/base/all.ts"

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

test("allAtOnce begins all before it waits for one, waits for all, and then throws what failed first", () => {
  const steps: string[] = []
  const run = (failing: readonly string[]): string[] =>
    allAtOnce(["a", "b", "c"], (name) => {
      steps.push(`begin ${name}`)
      if (failing.includes(`begin ${name}`)) throw new Error(`begin ${name}`)
      return () => {
        steps.push(`end ${name}`)
        if (failing.includes(`end ${name}`)) throw new Error(`end ${name}`)
        return name.toUpperCase()
      }
    })
  expect(run([])).toEqual(["A", "B", "C"])
  expect(steps.splice(0)).toEqual(["begin a", "begin b", "begin c", "end a", "end b", "end c"])
  expect(() => run(["begin b", "end a"])).toThrow("begin b")
  expect(steps.splice(0)).toEqual(["begin a", "begin b", "begin c", "end a", "end c"])
  expect(() => run(["end b"])).toThrow("end b")
  expect(steps.splice(0)).toEqual(["begin a", "begin b", "begin c", "end a", "end b", "end c"])
})
