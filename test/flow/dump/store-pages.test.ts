import { expect, test } from "bun:test"
import { closeSync, fstatSync, openSync } from "node:fs"
import { holdInterrupts } from "../../../ffi/interrupt.ts"
import { allocateBlocks } from "../../../src/flow/dump/store-pages.ts"
import { memoryFile } from "../../../src/tracee/child.ts"

const MIB = 1 << 20

test("allocateBlocks takes all of the room, in steps, while the tool's own timer runs", () => {
  using _ = holdInterrupts()
  const fd = memoryFile("room")
  try {
    allocateBlocks(fd, 100 * MIB + 4096)
    const { size, blocks } = fstatSync(fd)
    expect([size, blocks * 512]).toEqual([100 * MIB + 4096, 100 * MIB + 4096])
  } finally {
    closeSync(fd)
  }
})

test("allocateBlocks leaves what cannot be allocated to the write that needs it", () => {
  const fd = openSync("/dev/null", "w")
  try {
    expect(() => allocateBlocks(fd, MIB)).not.toThrow()
  } finally {
    closeSync(fd)
  }
})
