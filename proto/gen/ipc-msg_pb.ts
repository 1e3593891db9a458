// Made from proto/ipc-msg.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { ipc_desc_entrySchema, type ipc_desc_entry } from "./ipc-desc_pb.ts"

/** One message, inside the payload of ipc_msg_entry. */
export interface ipc_msg {
  mtype: bigint
  msize: number
}
export const ipc_msgSchema: Schema<ipc_msg> = schema("ipc_msg", () => [
  { number: 1, name: "mtype", type: "uint64", label: "required" },
  { number: 2, name: "msize", type: "uint32", label: "required" },
])

/** ipcns-msg-%u.img, one entry per queue. */
export interface ipc_msg_entry {
  desc: ipc_desc_entry
  qbytes: number
  qnum: number
}
export const ipc_msg_entrySchema: Schema<ipc_msg_entry> = schema("ipc_msg_entry", () => [
  { number: 1, name: "desc", type: "message", label: "required", message: () => ipc_desc_entrySchema },
  { number: 2, name: "qbytes", type: "uint32", label: "required" },
  { number: 3, name: "qnum", type: "uint32", label: "required" },
])
