// Made from proto/bpfmap-file.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.bpf: an open BPF map. */
export interface bpfmap_file_entry {
  id: number
  flags: number
  pos: bigint
  fown: fown_entry
  map_type: number
  key_size: number
  value_size: number
  map_id: number
  max_entries: number
  map_flags: number
  memlock: bigint
  frozen: boolean
  map_name: string
  ifindex: number
  /** Absent means -1. */
  mnt_id?: number
  map_extra?: bigint
}
export const bpfmap_file_entrySchema: Schema<bpfmap_file_entry> = schema("bpfmap_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "pos", type: "uint64", label: "required" },
  { number: 4, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 5, name: "map_type", type: "uint32", label: "required" },
  { number: 6, name: "key_size", type: "uint32", label: "required" },
  { number: 7, name: "value_size", type: "uint32", label: "required" },
  { number: 8, name: "map_id", type: "uint32", label: "required" },
  { number: 9, name: "max_entries", type: "uint32", label: "required" },
  { number: 10, name: "map_flags", type: "uint32", label: "required" },
  { number: 11, name: "memlock", type: "uint64", label: "required" },
  { number: 12, name: "frozen", type: "bool", label: "required", default: false },
  { number: 13, name: "map_name", type: "string", label: "required" },
  { number: 14, name: "ifindex", type: "uint32", label: "required", default: 0 },
  { number: 15, name: "mnt_id", type: "sint32", label: "optional", default: -1 },
  { number: 16, name: "map_extra", type: "uint64", label: "optional" },
])
