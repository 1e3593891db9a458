// Made from proto/rseq.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/**
 * thread_core_entry.rseq_entry. rseq_abi_pointer 0 = not registered; rseq_cs_pointer only for a thread inside a
 * no-restart section.
 */
export interface rseq_entry {
  rseq_abi_pointer: bigint
  rseq_abi_size: number
  signature: number
  rseq_cs_pointer?: bigint
}
export const rseq_entrySchema: Schema<rseq_entry> = schema("rseq_entry", () => [
  { number: 1, name: "rseq_abi_pointer", type: "uint64", label: "required" },
  { number: 2, name: "rseq_abi_size", type: "uint32", label: "required" },
  { number: 3, name: "signature", type: "uint32", label: "required" },
  { number: 4, name: "rseq_cs_pointer", type: "uint64", label: "optional" },
])
