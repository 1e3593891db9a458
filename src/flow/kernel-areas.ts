import type { mm_entry } from "../../proto/gen/mm_pb.ts"
import { VMA } from "../../proto/values.ts"
import type { Range } from "../base/units.ts"
import { aioRingHeads } from "../kinds/memory/aio/ring.ts"

/** What is stored but comes from the kernel here: the vdso, and the heads of AIO rings. */
export const kernelAreas = ({ mm: { vmas } }: { readonly mm: mm_entry }): Range[] => [
  ...vmas.filter(({ status }) => status & VMA.VDSO),
  ...aioRingHeads(vmas),
]
