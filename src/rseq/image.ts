import type { rseq_entry } from "../../proto/gen/rseq_pb.ts"
import type { stasis_thread_entry } from "../../proto/gen/stasis_pb.ts"
import { type RemoteAddress, remoteAddress } from "../base/units.ts"
import type { RseqState } from "./state.ts"

/** Classes whose rseq_cs is written back at the very end, alive and at restore. */
const KEEPS_POINTER: readonly string[] = ["no-restart", "malformed"]

/**
 * State -> thread_core_entry.rseq_entry; undefined = the thread has no registration.
 * rseq_cs_pointer is set only where restore has to write rseq_cs: a reader takes its presence for "inside, and stays there".
 */
export function rseqEntry(state: RseqState): rseq_entry | undefined {
  if (!state.registration) return undefined
  const { abiPointer, abiSize, signature } = state.registration
  const entry: rseq_entry = { rseq_abi_pointer: abiPointer, rseq_abi_size: abiSize, signature }
  return KEEPS_POINTER.includes(state.class) ? { ...entry, rseq_cs_pointer: state.rseqCs } : entry
}

/** State -> what only our own image has room for. The area is kept where it is longer than the 32 bytes of old. */
export function rseqExtension(
  state: RseqState,
): Pick<stasis_thread_entry, "rseq_class" | "rseq_discovery" | "rseq_flags" | "rseq_cs" | "rseq_area" | "frozen_ip"> {
  const { registration, area, rseqCs } = state
  return {
    rseq_class: state.class,
    frozen_ip: state.ip,
    ...(registration ? { rseq_discovery: registration.strategy, rseq_flags: registration.flags } : {}),
    ...(rseqCs === 0n ? {} : { rseq_cs: rseqCs }),
    ...(area ? { rseq_area: area } : {}),
  }
}

/** What restore has to make of a thread. */
export interface SavedRseq {
  readonly abiPointer: RemoteAddress
  readonly abiSize: number
  readonly signature: number
  /** Value for rseq_cs, written after the thread's last system call; undefined = stays 0. */
  readonly rseqCs: bigint | undefined
}

/** Entry -> what to register; undefined = nothing (no entry, or CRIU's pointer 0 for a thread that has none). */
export function savedRseq(entry: rseq_entry | undefined): SavedRseq | undefined {
  if (!entry || entry.rseq_abi_pointer === 0n) return undefined
  return {
    abiPointer: remoteAddress(entry.rseq_abi_pointer),
    abiSize: entry.rseq_abi_size,
    signature: entry.signature,
    rseqCs: entry.rseq_cs_pointer || undefined,
  }
}
