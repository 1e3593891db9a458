// Made from proto/memfd.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.memfd. */
export interface memfd_file_entry {
  id: number
  flags: number
  pos: bigint
  fown: fown_entry
  inode_id: number
}
export const memfd_file_entrySchema: Schema<memfd_file_entry> = schema("memfd_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "pos", type: "uint64", label: "required" },
  { number: 4, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 5, name: "inode_id", type: "uint32", label: "required" },
])

/** memfd.img, one entry per memory file; shmid selects pagemap-shmem-%lu.img. */
export interface memfd_inode_entry {
  name: string
  uid: number
  gid: number
  size: bigint
  shmid: number
  seals: number
  inode_id: bigint
  hugetlb_flag?: number
  mode?: number
}
export const memfd_inode_entrySchema: Schema<memfd_inode_entry> = schema("memfd_inode_entry", () => [
  { number: 1, name: "name", type: "string", label: "required" },
  { number: 2, name: "uid", type: "uint32", label: "required" },
  { number: 3, name: "gid", type: "uint32", label: "required" },
  { number: 4, name: "size", type: "uint64", label: "required" },
  { number: 5, name: "shmid", type: "uint32", label: "required" },
  { number: 6, name: "seals", type: "uint32", label: "required" },
  { number: 7, name: "inode_id", type: "uint64", label: "required" },
  { number: 8, name: "hugetlb_flag", type: "uint32", label: "optional" },
  { number: 9, name: "mode", type: "uint32", label: "optional" },
])
