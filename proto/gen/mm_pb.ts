// Made from proto/mm.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { type vma_entry, vma_entrySchema } from "./vma_pb.ts"

/** One AIO ring: its address, requests and bytes. */
export interface aio_ring_entry {
  id: bigint
  nr_req: number
  ring_len: number
}
export const aio_ring_entrySchema: Schema<aio_ring_entry> = schema("aio_ring_entry", () => [
  { number: 1, name: "id", type: "uint64", label: "required" },
  { number: 2, name: "nr_req", type: "uint32", label: "required" },
  { number: 3, name: "ring_len", type: "uint32", label: "required" },
])

/** mm-%u.img, one entry. mm_saved_auxv: pairs of words; vmas ascending, guard ranges last. */
export interface mm_entry {
  mm_start_code: bigint
  mm_end_code: bigint
  mm_start_data: bigint
  mm_end_data: bigint
  mm_start_stack: bigint
  mm_start_brk: bigint
  mm_brk: bigint
  mm_arg_start: bigint
  mm_arg_end: bigint
  mm_env_start: bigint
  mm_env_end: bigint
  exe_file_id: number
  mm_saved_auxv: bigint[]
  vmas: vma_entry[]
  dumpable?: number
  aios: aio_ring_entry[]
  thp_disabled?: boolean
}
export const mm_entrySchema: Schema<mm_entry> = schema("mm_entry", () => [
  { number: 1, name: "mm_start_code", type: "uint64", label: "required" },
  { number: 2, name: "mm_end_code", type: "uint64", label: "required" },
  { number: 3, name: "mm_start_data", type: "uint64", label: "required" },
  { number: 4, name: "mm_end_data", type: "uint64", label: "required" },
  { number: 5, name: "mm_start_stack", type: "uint64", label: "required" },
  { number: 6, name: "mm_start_brk", type: "uint64", label: "required" },
  { number: 7, name: "mm_brk", type: "uint64", label: "required" },
  { number: 8, name: "mm_arg_start", type: "uint64", label: "required" },
  { number: 9, name: "mm_arg_end", type: "uint64", label: "required" },
  { number: 10, name: "mm_env_start", type: "uint64", label: "required" },
  { number: 11, name: "mm_env_end", type: "uint64", label: "required" },
  { number: 12, name: "exe_file_id", type: "uint32", label: "required" },
  { number: 13, name: "mm_saved_auxv", type: "uint64", label: "repeated" },
  { number: 14, name: "vmas", type: "message", label: "repeated", message: () => vma_entrySchema },
  { number: 15, name: "dumpable", type: "int32", label: "optional" },
  { number: 16, name: "aios", type: "message", label: "repeated", message: () => aio_ring_entrySchema },
  { number: 17, name: "thp_disabled", type: "bool", label: "optional" },
])
