import { expect, test } from "bun:test"
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { copyBytes } from "../../ffi/copy.ts"
import { failureOf } from "../harness/failure.ts"
import { scratch } from "../harness/folders.ts"

const LENGTH = 3_000_000
const content = Buffer.from(Array.from({ length: LENGTH }, (_, at) => (at * 7 + (at >> 8)) & 0xff))

/** Copies from one path to the other, and closes both. */
function copy(from: string, fromAt: number, to: string, toAt: number, length: number): number {
  const [source, target] = [openSync(from, "r"), openSync(to, "r+")]
  try {
    return copyBytes(source, fromAt, target, toAt, length)
  } finally {
    for (const fd of [source, target]) closeSync(fd)
  }
}

// Of files in /proc the kernel copies nothing: they go through memory.
for (const [where, source] of [
  ["a file", undefined],
  ["a file of /proc", "/proc/self/maps"],
] as const)
  test(`bytes of ${where} go where they should, and no others`, () => {
    const folder = scratch("copy")
    const [from, to] = [source ?? join(folder, "from"), join(folder, "to")]
    if (!source) writeFileSync(from, content)
    writeFileSync(to, "x".repeat(100))
    const length = source ? 50 : 2_500_000
    expect(copy(from, 13, to, 40, length)).toBe(length)
    const found = readFileSync(to)
    expect(found.subarray(0, 40).toString()).toBe("x".repeat(40))
    expect(found.length).toBe(Math.max(100, 40 + length))
    const wanted = source ? readFileSync(source).subarray(13, 13 + length) : content.subarray(13, 13 + length)
    if (!source) expect(found.subarray(40, 40 + length).equals(wanted)).toBe(true)
    else expect(found.subarray(40, 40 + length).toString()).toMatch(/^[0-9a-f -]+ [r-][w-][x-]p /)
  })

test("a file that ends before is told by the count", () => {
  const folder = scratch("copy")
  const [from, to] = [join(folder, "from"), join(folder, "to")]
  writeFileSync(from, "0123456789")
  writeFileSync(to, "")
  expect(copy(from, 4, to, 0, 100)).toBe(6)
  expect(readFileSync(to, "utf8")).toBe("456789")
  expect(failureOf(() => copyBytes(-1, 0, -1, 0, 10))).toMatchObject({ message: expect.stringContaining("EBADF") })
})
