import { expect, test } from "bun:test"
import { sortByNumber } from "../../src/base/order.ts"

test("sortByNumber sorts in place, what is in order too, and keeps equal ones in their order", () => {
  const sorted = (...items: string[]): string[] => {
    sortByNumber(items, (item) => item.length)
    return items
  }
  expect(sorted()).toEqual([])
  expect(sorted("a", "bb", "cc", "ddd")).toEqual(["a", "bb", "cc", "ddd"])
  expect(sorted("bb", "ddd", "a", "cc", "e")).toEqual(["a", "e", "bb", "cc", "ddd"])
})
