// Made from proto/fown.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** In most open files. pid 0 = no owner; uid and euid then are 0 too. */
export interface fown_entry {
  uid: number
  euid: number
  signum: number
  pid_type: number
  pid: number
}
export const fown_entrySchema: Schema<fown_entry> = schema("fown_entry", () => [
  { number: 1, name: "uid", type: "uint32", label: "required" },
  { number: 2, name: "euid", type: "uint32", label: "required" },
  { number: 3, name: "signum", type: "uint32", label: "required" },
  { number: 4, name: "pid_type", type: "uint32", label: "required" },
  { number: 5, name: "pid", type: "uint32", label: "required" },
])
