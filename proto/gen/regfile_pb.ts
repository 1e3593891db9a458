// Made from proto/regfile.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/**
 * file_entry.reg: a file opened by path. pos in bytes, -1 = do not seek; size only for regular files; build_id 4 bytes
 * a word.
 */
export interface reg_file_entry {
  id: number
  flags: number
  pos: bigint
  fown: fown_entry
  name: string
  /** Absent means -1. */
  mnt_id?: number
  size?: bigint
  ext?: boolean
  mode?: number
  build_id: number[]
  checksum?: number
  checksum_config?: number
  checksum_parameter?: number
}
export const reg_file_entrySchema: Schema<reg_file_entry> = schema("reg_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "pos", type: "uint64", label: "required" },
  { number: 5, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 6, name: "name", type: "string", label: "required" },
  { number: 7, name: "mnt_id", type: "sint32", label: "optional", default: -1 },
  { number: 8, name: "size", type: "uint64", label: "optional" },
  { number: 9, name: "ext", type: "bool", label: "optional" },
  { number: 10, name: "mode", type: "uint32", label: "optional" },
  { number: 11, name: "build_id", type: "uint32", label: "repeated" },
  { number: 12, name: "checksum", type: "uint32", label: "optional" },
  { number: 13, name: "checksum_config", type: "uint32", label: "optional" },
  { number: 14, name: "checksum_parameter", type: "uint32", label: "optional" },
])
