import { expect, test } from "bun:test"
import { closeSync, existsSync, readdirSync, readlinkSync } from "node:fs"
import { beginImages } from "../../src/image/transaction.ts"
import { scopedFolder } from "../harness/folders.ts"
import { fill } from "./sets.ts"

test("a set that is given up leaves nothing, whatever the close of a file says", () => {
  using dir = scopedFolder()
  const tx = beginImages(dir.path, { sync: false })
  fill(tx, 7)
  const numbers = readdirSync("/proc/self/fd").filter((fd) => existsSync(`/proc/self/fd/${fd}`))
  const own = numbers.filter((fd) => readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${dir.path}/`))
  expect(own.length).toBeGreaterThan(1)
  // The tool closes it once more, which fails.
  closeSync(Number(own[0]))
  tx[Symbol.dispose]()
  expect(readdirSync(dir.path)).toEqual([])
})
