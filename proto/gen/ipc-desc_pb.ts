// Made from proto/ipc-desc.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** struct ipc_perm and the id. */
export interface ipc_desc_entry {
  key: number
  uid: number
  gid: number
  cuid: number
  cgid: number
  mode: number
  id: number
}
export const ipc_desc_entrySchema: Schema<ipc_desc_entry> = schema("ipc_desc_entry", () => [
  { number: 1, name: "key", type: "uint32", label: "required" },
  { number: 2, name: "uid", type: "uint32", label: "required" },
  { number: 3, name: "gid", type: "uint32", label: "required" },
  { number: 4, name: "cuid", type: "uint32", label: "required" },
  { number: 5, name: "cgid", type: "uint32", label: "required" },
  { number: 6, name: "mode", type: "uint32", label: "required" },
  { number: 7, name: "id", type: "uint32", label: "required" },
])
