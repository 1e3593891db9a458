// Made from proto/ipc-sem.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { ipc_desc_entrySchema, type ipc_desc_entry } from "./ipc-desc_pb.ts"

/** ipcns-sem-%u.img, one entry per set. */
export interface ipc_sem_entry {
  desc: ipc_desc_entry
  nsems: number
}
export const ipc_sem_entrySchema: Schema<ipc_sem_entry> = schema("ipc_sem_entry", () => [
  { number: 1, name: "desc", type: "message", label: "required", message: () => ipc_desc_entrySchema },
  { number: 2, name: "nsems", type: "uint32", label: "required" },
])
