import { MAP } from "../../../ffi/abi/mman.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { Program } from "../../../src/tracee/program.ts"

/** A private anonymous area, readable and writable, but for `more`. */
export const vma = (start: bigint, end: bigint, more: Partial<vma_entry> = {}): vma_entry => ({
  start,
  end,
  pgoff: 0n,
  shmid: 0n,
  prot: 3,
  flags: MAP.PRIVATE | MAP.ANONYMOUS,
  status: VMA.REGULAR | VMA.ANON_PRIVATE,
  fd: -1n,
  ...more,
})
/** The calls that `append` appends, a line each. */
export const plan = (append: (program: Program) => void): string[] => {
  const program = new Program()
  append(program)
  return program.describe()
}
