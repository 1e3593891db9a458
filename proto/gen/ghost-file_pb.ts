// Made from proto/ghost-file.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { timevalSchema, type timeval } from "./time_pb.ts"

/** ghost-file-%x.img, first entry. */
export interface ghost_file_entry {
  uid: number
  gid: number
  mode: number
  dev?: number
  ino?: bigint
  rdev?: number
  atim?: timeval
  mtim?: timeval
  chunks?: boolean
  size?: bigint
  symlnk_target?: string
}
export const ghost_file_entrySchema: Schema<ghost_file_entry> = schema("ghost_file_entry", () => [
  { number: 1, name: "uid", type: "uint32", label: "required" },
  { number: 2, name: "gid", type: "uint32", label: "required" },
  { number: 3, name: "mode", type: "uint32", label: "required" },
  { number: 4, name: "dev", type: "uint32", label: "optional" },
  { number: 5, name: "ino", type: "uint64", label: "optional" },
  { number: 6, name: "rdev", type: "uint32", label: "optional" },
  { number: 7, name: "atim", type: "message", label: "optional", message: () => timevalSchema },
  { number: 8, name: "mtim", type: "message", label: "optional", message: () => timevalSchema },
  { number: 9, name: "chunks", type: "bool", label: "optional" },
  { number: 10, name: "size", type: "uint64", label: "optional" },
  { number: 11, name: "symlnk_target", type: "string", label: "optional" },
])

/** ghost-file-%x.img with chunks set: in front of each piece of len bytes at file offset off. */
export interface ghost_chunk_entry {
  len: bigint
  off: bigint
}
export const ghost_chunk_entrySchema: Schema<ghost_chunk_entry> = schema("ghost_chunk_entry", () => [
  { number: 1, name: "len", type: "uint64", label: "required" },
  { number: 2, name: "off", type: "uint64", label: "required" },
])
