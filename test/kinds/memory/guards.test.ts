import { expect, test } from "bun:test"
import { MADV, MAP, PROT } from "../../../ffi/abi/mman.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import { mayHaveGuards } from "../../../src/kinds/memory/guards.ts"
import { readSmaps } from "../../../src/proc/smaps.ts"

const SIZE = 32 << 20

test("mayHaveGuards: a large area of shared memory with a guard always, one without where no kernel says it of the other", () => {
  const [plain, guarded] = [0, 1].map(() => attempt("mmap", 0, SIZE, PROT.READ, MAP.SHARED | MAP.ANONYMOUS, -1, 0)) as [number, number]
  try {
    const canHave = !isFailure(attempt("madvise", guarded + 4096, 4096, MADV.GUARD_INSTALL))
    const smaps = readSmaps(process.pid)
    const at = (address: number) => smaps.find(({ start, end }) => start <= BigInt(address) && end > BigInt(address))!
    expect(mayHaveGuards(at(guarded))).toBe(canHave)
    expect(mayHaveGuards(at(plain))).toBe(canHave && !at(guarded).vmFlags.has("gu"))
    expect(mayHaveGuards({ ...at(plain), end: at(plain).start + 4096n })).toBe(true)
  } finally {
    for (const address of [plain, guarded]) attempt("munmap", address, SIZE)
  }
})
