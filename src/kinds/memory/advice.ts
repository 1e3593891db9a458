import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { hex } from "../../base/units.ts"
import type { Program } from "../../tracee/program.ts"

/** vma_entry.madv bits and the two-letter flag of /proc/PID/smaps that shows each. Kernel: fs/proc/task_mmu.c show_smap_vma_flags() */
export const ADVICE: readonly (readonly [vmFlag: string, advice: number])[] = [
  ["rr", 1], //  MADV_RANDOM
  ["sr", 2], //  MADV_SEQUENTIAL
  ["dc", 10], // MADV_DONTFORK
  ["mg", 12], // MADV_MERGEABLE
  ["hg", 14], // MADV_HUGEPAGE
  ["nh", 15], // MADV_NOHUGEPAGE
  ["dd", 16], // MADV_DONTDUMP
  ["wf", 18], // MADV_WIPEONFORK
]

/** Appends the advice that an area was given. Man page: madvise(2) */
export function restoreAdvice({ start, end, madv }: vma_entry, program: Program): void {
  for (let advice = 0; madv !== undefined && madv >> BigInt(advice) !== 0n; advice++)
    if ((madv >> BigInt(advice)) & 1n) program.callWith({ about: `VMA ${hex(start)}-${hex(end)}` }, "madvise", start, end - start, advice)
}
