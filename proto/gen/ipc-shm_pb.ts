// Made from proto/ipc-shm.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { ipc_desc_entrySchema, type ipc_desc_entry } from "./ipc-desc_pb.ts"

/** ipcns-shm-%u.img, one entry per segment. size in bytes. */
export interface ipc_shm_entry {
  desc: ipc_desc_entry
  size: bigint
  in_pagemaps?: boolean
  hugetlb_flag?: number
}
export const ipc_shm_entrySchema: Schema<ipc_shm_entry> = schema("ipc_shm_entry", () => [
  { number: 1, name: "desc", type: "message", label: "required", message: () => ipc_desc_entrySchema },
  { number: 2, name: "size", type: "uint64", label: "required" },
  { number: 3, name: "in_pagemaps", type: "bool", label: "optional" },
  { number: 4, name: "hugetlb_flag", type: "uint32", label: "optional" },
])
