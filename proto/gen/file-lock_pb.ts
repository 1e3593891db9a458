// Made from proto/file-lock.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** filelocks.img, one entry per lock. flag 1 POSIX, 2 flock, 4 OFD, 8 lease; len 0 = to the end. */
export interface file_lock_entry {
  flag: number
  type: number
  pid: number
  fd: number
  start: bigint
  len: bigint
}
export const file_lock_entrySchema: Schema<file_lock_entry> = schema("file_lock_entry", () => [
  { number: 1, name: "flag", type: "uint32", label: "required" },
  { number: 2, name: "type", type: "uint32", label: "required" },
  { number: 3, name: "pid", type: "int32", label: "required" },
  { number: 4, name: "fd", type: "int32", label: "required" },
  { number: 5, name: "start", type: "int64", label: "required" },
  { number: 6, name: "len", type: "int64", label: "required" },
])
