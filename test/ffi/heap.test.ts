import { expect, test } from "bun:test"
import { existsSync } from "node:fs"
import { useHugePages } from "../../ffi/heap.ts"
import { addressOf } from "../../ffi/kernel.ts"
import { readSmaps } from "../../src/proc/smaps.ts"
import { skip } from "../harness/skip.ts"

test("where arrays are, this program asks for huge pages", () => {
  if (!existsSync("/sys/kernel/mm/transparent_hugepage")) return skip("a kernel with transparent huge pages")
  useHugePages()
  for (const size of [1, 5000, 100_000]) {
    const at = BigInt(addressOf(new Uint8Array(size)))
    const heap = readSmaps(process.pid).find(({ start, end }) => start <= at && at < end)
    expect(heap?.vmFlags).toContain("hg")
  }
})
