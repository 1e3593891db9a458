import { afterAll, expect, test } from "bun:test"
import { closeSync, openSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { readFully } from "../../src/base/read-fully.ts"
import { discard, scratch } from "../harness/folders.ts"

const folder = scratch("read-fully")
afterAll(() => discard(folder))

test("readFully reads more than one call gives, from any place, and ends with the file", () => {
  const path = join(folder, "file")
  const content = Buffer.from(Uint32Array.from({ length: 200_000 }, (_, index) => index).buffer)
  writeFileSync(path, content)
  const fd = openSync(path, "r")
  try {
    for (const [at, length] of [
      [0, 700_000],
      [4, 10],
      [content.length - 300_000, 400_000],
      [content.length, 1],
      [0, 0],
    ] as const) {
      const into = Buffer.alloc(length)
      const got = readFully(fd, into, at)
      expect(got).toBe(Math.min(length, content.length - at))
      expect(into.subarray(0, got).equals(content.subarray(at, at + got))).toBe(true)
    }
  } finally {
    closeSync(fd)
  }
})
