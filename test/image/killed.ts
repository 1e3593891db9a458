/**
 * Writes a set over an older one and dies before the Nth rename or removal of its commit: `bun killed.ts DIRECTORY N`. With further numbers
 * it does not die; those renames fail, and the error's code is printed. Run by full.test.ts.
 */
import { mock } from "bun:test"
import * as fs from "../../ffi/fs.ts"
import { inventory } from "./sample.ts"

const [directory, die, ...fail] = process.argv.slice(2) as [string, string, ...string[]]
// Taken before the mock, which replaces the exports of the module everywhere.
const original = { ...fs }
const { renameSync, unlinkSync } = original
let step = 0
function dieAtStep(): void {
  if (fail.includes(`${step}`)) {
    step++
    throw new original.FileError(step === Number(fail[0]) + 1 ? "EROFS" : "EIO", "rename", "")
  }
  if (step++ === Number(die)) process.kill(process.pid, "SIGKILL")
}
mock.module("../../ffi/fs.ts", () => ({
  ...original,
  renameSync: (from: string, to: string): void => {
    dieAtStep()
    renameSync(from, to)
  },
  unlinkSync: (path: string): void => {
    // Removals before the first rename belong to the start of the set.
    if (step > 0) dieAtStep()
    unlinkSync(path)
  },
}))
const { beginImages } = await import("../../src/image/transaction.ts")
using tx = beginImages(directory, { sync: false })
tx.write("inventory", undefined, [inventory])
tx.write("pstree", undefined, [{ pid: 8, ppid: 0, pgid: 8, sid: 8, threads: [8] }])
tx.write("pagemap", 8, [{ pages_id: 1 }, { vaddr: 0x1000n, compat_nr_pages: 0, nr_pages: 1n, flags: 4 }])
tx.pages(1).fill((fd) => fs.writeSync(fd, new Uint8Array(4096)))
try {
  tx.commit()
} catch (error) {
  console.log((error as { code: string }).code)
}
