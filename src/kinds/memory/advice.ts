import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { hex } from "../../base/units.ts"
import type { Program } from "../../tracee/program.ts"

/** Appends the advice that an area was given. Man page: madvise(2) */
export function restoreAdvice({ start, end, madv }: vma_entry, program: Program): void {
  for (let advice = 0; madv !== undefined && madv >> BigInt(advice) !== 0n; advice++)
    if ((madv >> BigInt(advice)) & 1n) program.callWith({ about: `VMA ${hex(start)}-${hex(end)}` }, "madvise", start, end - start, advice)
}
