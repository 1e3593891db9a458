import { expect, test } from "bun:test"
import { readSavedTree } from "../../../src/flow/images.ts"
import { memoryDifferences } from "../../../src/flow/verify/memory.ts"
import type { ImageSet } from "../../../src/image/set.ts"
import { withSet } from "../draft.ts"

/** Below all that a program may map. */
const NOWHERE = 0x1000n

test("a page that is stored and is not there now is a difference, not a failure", () => {
  const texts = withSet(
    (draft) => {
      draft.pagemap = [{ vaddr: NOWHERE, pages: 1n }]
    },
    (set) => {
      const { processes, ...rest } = readSavedTree(set, { tcpClose: false })
      const here = processes.map((one) => ({ ...one, tree: { ...one.tree, pid: process.pid } }))
      const ours: ImageSet = { ...set, has: () => true, all: (kind) => set.all(kind, 1140) }
      return memoryDifferences(ours, { ...rest, processes: here })
    },
  )
  expect(texts).toEqual([`process ${process.pid} memory 0x1000: cannot be read`])
})
