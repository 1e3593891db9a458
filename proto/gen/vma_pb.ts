// Made from proto/vma.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** In mm_entry.vmas: one memory area. pgoff in bytes; shmid = id of files.img for file areas; madv bit n = MADV_n. */
export interface vma_entry {
  start: bigint
  end: bigint
  pgoff: bigint
  shmid: bigint
  prot: number
  flags: number
  status: number
  fd: bigint
  madv?: bigint
  fdflags?: number
}
export const vma_entrySchema: Schema<vma_entry> = schema("vma_entry", () => [
  { number: 1, name: "start", type: "uint64", label: "required" },
  { number: 2, name: "end", type: "uint64", label: "required" },
  { number: 3, name: "pgoff", type: "uint64", label: "required" },
  { number: 4, name: "shmid", type: "uint64", label: "required" },
  { number: 5, name: "prot", type: "uint32", label: "required" },
  { number: 6, name: "flags", type: "uint32", label: "required" },
  { number: 7, name: "status", type: "uint32", label: "required" },
  { number: 8, name: "fd", type: "sint64", label: "required" },
  { number: 9, name: "madv", type: "uint64", label: "optional" },
  { number: 10, name: "fdflags", type: "uint32", label: "optional" },
])
