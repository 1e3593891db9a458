import { MPOL_F } from "../../../../ffi/abi/mempolicy.ts"
import type { stasis_mempolicy_entry, stasis_vma_entry } from "../../../../proto/gen/stasis_pb.ts"
import { logger } from "../../../base/log.ts"
import { hex } from "../../../base/units.ts"
import { overlaps } from "../../../proc/bitlist.ts"
import type { Argument, Program } from "../../../tracee/program.ts"
import { maxNode } from "./collect.ts"

const log = logger("memory")

/** Mask and its length as the calls take them; undefined when no node of the policy has memory here. */
function nodesFor({ mode, nodes = new Uint8Array() }: stasis_mempolicy_entry, present: () => Uint8Array, program: Program) {
  if (nodes.length === 0) return { mask: 0 as Argument, length: 0 }
  if (!(mode & MPOL_F.RELATIVE_NODES) && !overlaps(nodes, present())) return undefined
  const padded = new Uint8Array(Math.ceil(nodes.length / 8) * 8)
  padded.set(nodes)
  return { mask: program.bytes(padded) as Argument, length: maxNode(padded.length) }
}

const NOT_HERE = "none of the memory nodes it was bound to exists here: it uses all of them"

/** Appends a thread's memory policy to its own program. Mirror: `askThreadPolicy`. @param present nodes with memory on this host */
export function restoreThreadPolicy(policy: stasis_mempolicy_entry | undefined, present: () => Uint8Array, program: Program): void {
  if (!policy) return
  const nodes = nodesFor(policy, present, program)
  if (nodes) program.callWith({ about: `memory policy ${hex(policy.mode)}` }, "set_mempolicy", policy.mode, nodes.mask, nodes.length)
  else log.warn(`a thread: ${NOT_HERE}`)
}

/**
 * Appends the memory policies of areas. Mirror: `askAreaPolicies`
 *
 * Precondition: the areas are mapped and not yet filled, so that their pages come from the right nodes.
 */
export function restoreAreaPolicies(areas: readonly stasis_vma_entry[], present: () => Uint8Array, program: Program): void {
  for (const { start, end, mempolicy } of areas) {
    if (!mempolicy) continue
    const about = `memory policy ${hex(mempolicy.mode)} of VMA ${hex(start)}-${hex(end)}`
    const nodes = nodesFor(mempolicy, present, program)
    if (nodes) program.callWith({ about }, "mbind", start, end - start, mempolicy.mode, nodes.mask, nodes.length, 0)
    else log.warn(`${about}: ${NOT_HERE}`)
  }
}
