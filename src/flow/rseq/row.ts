import { CPU_ID_REGISTRATION_FAILED, CPU_ID_UNINITIALIZED, rseqArea } from "../../../ffi/abi/rseq.ts"
import { decode } from "../../../ffi/layout.ts"
import type { Section, Verdict } from "../../rseq/state.ts"
import type { RseqPlace } from "./place.ts"

/** One thread of `stasis rseq`. */
export interface RseqRow {
  readonly pid: number
  readonly tid: number
  readonly name: string
  /** How the registration was found; "images" where a set does not say; null = the thread has none. */
  readonly found: string | null
  readonly address: bigint | null
  /** Bytes. */
  readonly size: number | null
  readonly signature: number | null
  /** What the kernel wrote: a number, "uninitialised" or "failed"; null = unknown, or a kernel that does not write it. */
  readonly cpuId: number | "uninitialised" | "failed" | null
  readonly nodeId: number | null
  readonly mmCid: number | null
  /** The pointer, 0 = none; null = unknown. */
  readonly rseqCs: bigint | null
  /** See RseqClass; "registered" where a set does not say more. */
  readonly class: string
  readonly ip: RseqPlace | null
  /** The active section; the end is exclusive. */
  readonly section: { readonly start: RseqPlace; readonly end: RseqPlace; readonly abort: RseqPlace; readonly flags: number } | null
  readonly reason: string | null
  readonly warning: string | null
}

/** The part of a row that the thread's area tells. @param featureSize AT_RSEQ_FEATURE_SIZE: how much the kernel fills in, bytes */
export function areaCells(area: Uint8Array | undefined, featureSize: number): Pick<RseqRow, "cpuId" | "nodeId" | "mmCid" | "rseqCs"> {
  if (!area || area.length < rseqArea.size) return { cpuId: null, nodeId: null, mmCid: null, rseqCs: null }
  const { cpu_id, node_id, mm_cid, rseq_cs } = decode(rseqArea, area)
  const cpuId = cpu_id === CPU_ID_UNINITIALIZED ? "uninitialised" : cpu_id === CPU_ID_REGISTRATION_FAILED ? "failed" : cpu_id
  const filled = (field: keyof typeof rseqArea.fields, value: number) => (featureSize >= rseqArea.fields[field][0] + 4 ? value : null)
  return { cpuId, nodeId: filled("node_id", node_id), mmCid: filled("mm_cid", mm_cid), rseqCs: rseq_cs }
}

/** The part of a row that the verdict tells. */
export function verdictCells(
  { class: kind, section, reason, warning }: Verdict,
  place: (address: bigint) => RseqPlace,
): Pick<RseqRow, "class" | "section" | "reason" | "warning"> {
  return { class: kind, section: section ? bounds(section, place) : null, reason: reason ?? null, warning: warning ?? null }
}

const bounds = ({ startIp, endIp, abortIp, flags }: Section, place: (address: bigint) => RseqPlace) => ({
  start: place(startIp),
  end: place(endIp),
  abort: place(abortIp),
  flags,
})
