import { SEGMENTS_OF_USER, sigcontext } from "../../ffi/abi/registers.x86_64.ts"
import type { mm_entry } from "../../proto/gen/mm_pb.ts"
import type { pstree_entry } from "../../proto/gen/pstree_pb.ts"
import type { Range } from "../base/units.ts"
import type { ImageSet } from "../image/set.ts"
import { savedParts } from "./read-pages.ts"

const { ip, cs } = sigcontext.fields
/** From the instruction pointer of a signal frame to its segment registers, bytes. */
const SEGMENTS = cs[0] - ip[0]

/** A saved process whose stacks can be looked at. */
export interface Stacked {
  readonly tree: Pick<pstree_entry, "pid">
  readonly mm: mm_entry
}

/**
 * Whether the stack of a thread holds a signal frame whose code was interrupted within a range: the handler that runs now will return
 * there.
 *
 * Kernel: arch/x86/kernel/signal_64.c __unsafe_setup_sigcontext(): behind the IP stand the flags and the segments, of which those of user
 * mode are always the same word. Stacks other than that of `sp` are not looked at.
 *
 * @param sp the thread's stack pointer
 */
export function interruptedIn(set: ImageSet, { tree: { pid }, mm }: Stacked, sp: bigint, { start, end }: Range): boolean {
  const stack = mm.vmas.find((vma) => sp >= vma.start && sp < vma.end)
  if (!stack) return false
  for (const { bytes } of savedParts(set, pid, { start: sp & ~7n, end: stack.end }))
    for (let at = 0; at + SEGMENTS + 8 <= bytes.length; at += 8) {
      if (bytes.readBigUInt64LE(at + SEGMENTS) !== SEGMENTS_OF_USER) continue
      const found = bytes.readBigUInt64LE(at)
      if (found >= start && found < end) return true
    }
  return false
}
