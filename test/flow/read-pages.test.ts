import { expect, test } from "bun:test"
import { savedBytes } from "../../src/flow/read-pages.ts"
import { withSet } from "./draft.ts"

test("savedBytes has a run of any length: a stack in which a signal frame is looked for may be long", () => {
  const [start, pages] = [0x10000n, 100n]
  withSet(
    (draft) => Object.assign(draft, { pagemap: [{ vaddr: start, pages }] }),
    (set) => {
      expect(savedBytes(set, 1140, { start, end: start + 0x1000n * pages })?.length).toBe(409_600)
      expect(savedBytes(set, 1140, { start: start + 8n, end: start + 0x1000n * pages })?.length).toBe(409_592)
      expect(savedBytes(set, 1140, { start, end: start + 0x1000n * pages + 1n })).toBeUndefined()
    },
  )
})
