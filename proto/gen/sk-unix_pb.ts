// Made from proto/sk-unix.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"
import { sk_opts_entrySchema, sk_shutdown, type sk_opts_entry } from "./sk-opts_pb.ts"

/** Owner and mode of the inode of a bound socket. */
export interface file_perms_entry {
  mode: number
  uid: number
  gid: number
}
export const file_perms_entrySchema: Schema<file_perms_entry> = schema("file_perms_entry", () => [
  { number: 1, name: "mode", type: "uint32", label: "required" },
  { number: 2, name: "uid", type: "uint32", label: "required" },
  { number: 3, name: "gid", type: "uint32", label: "required" },
])

/** file_entry.usk. name = sun_path bytes as bound; peer = ino of the peer, 0 none. */
export interface unix_sk_entry {
  id: number
  ino: number
  type: number
  state: number
  flags: number
  uflags: number
  backlog: number
  peer: number
  fown: fown_entry
  opts: sk_opts_entry
  name: Uint8Array
  shutdown?: sk_shutdown
  file_perms?: file_perms_entry
  name_dir?: string
  deleted?: boolean
  ns_id?: number
  /** Absent means -1. */
  mnt_id?: number
}
export const unix_sk_entrySchema: Schema<unix_sk_entry> = schema("unix_sk_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ino", type: "uint32", label: "required" },
  { number: 3, name: "type", type: "uint32", label: "required" },
  { number: 4, name: "state", type: "uint32", label: "required" },
  { number: 5, name: "flags", type: "uint32", label: "required" },
  { number: 6, name: "uflags", type: "uint32", label: "required" },
  { number: 7, name: "backlog", type: "uint32", label: "required" },
  { number: 8, name: "peer", type: "uint32", label: "required" },
  { number: 9, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 10, name: "opts", type: "message", label: "required", message: () => sk_opts_entrySchema },
  { number: 11, name: "name", type: "bytes", label: "required" },
  { number: 12, name: "shutdown", type: "enum", label: "optional", values: sk_shutdown },
  { number: 13, name: "file_perms", type: "message", label: "optional", message: () => file_perms_entrySchema },
  { number: 14, name: "name_dir", type: "string", label: "optional" },
  { number: 15, name: "deleted", type: "bool", label: "optional" },
  { number: 16, name: "ns_id", type: "uint32", label: "optional" },
  { number: 17, name: "mnt_id", type: "sint32", label: "optional", default: -1 },
])
