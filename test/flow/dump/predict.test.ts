import { expect, test } from "bun:test"
import { type Extent, predict } from "../../../src/flow/dump/predict.ts"

const one: Extent = { processes: 1, threads: 1, zombies: 0, areas: 20, runs: 6, pages: 30, descriptors: 3, files: 8 }

test("a small process takes little more than its pages, and some milliseconds", () => {
  const { imageBytes, frozenMicroseconds } = predict(one)
  expect(imageBytes).toBeGreaterThan(30 * 4096)
  expect(imageBytes).toBeLessThan(33 * 4096)
  expect(frozenMicroseconds).toBeGreaterThan(1000)
  expect(frozenMicroseconds).toBeLessThan(100_000)
})

test("whatever there is more of makes neither number smaller, and each page is 4096 bytes", () => {
  for (const key of Object.keys(one) as (keyof Extent)[]) {
    const more = predict({ ...one, [key]: one[key] + 10 })
    expect(more.imageBytes).toBeGreaterThan(predict(one).imageBytes)
    expect(more.frozenMicroseconds).toBeGreaterThanOrEqual(predict(one).frozenMicroseconds)
  }
  expect(predict({ ...one, pages: 31 }).imageBytes - predict(one).imageBytes).toBe(4096)
})

test("numbers are whole", () => {
  const { imageBytes, frozenMicroseconds } = predict({ ...one, pages: 33 })
  expect([imageBytes, frozenMicroseconds].every(Number.isInteger)).toBe(true)
})
