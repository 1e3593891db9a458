// Made from proto/ipc-var.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** ipcns-var-%u.img, one entry. */
export interface ipc_var_entry {
  sem_ctls: number[]
  msg_ctlmax: number
  msg_ctlmnb: number
  msg_ctlmni: number
  auto_msgmni: number
  shm_ctlmax: bigint
  shm_ctlall: bigint
  shm_ctlmni: number
  shm_rmid_forced: number
  mq_queues_max: number
  mq_msg_max: number
  mq_msgsize_max: number
  mq_msg_default?: number
  mq_msgsize_default?: number
  msg_next_id?: number
  sem_next_id?: number
  shm_next_id?: number
}
export const ipc_var_entrySchema: Schema<ipc_var_entry> = schema("ipc_var_entry", () => [
  { number: 1, name: "sem_ctls", type: "uint32", label: "repeated" },
  { number: 2, name: "msg_ctlmax", type: "uint32", label: "required" },
  { number: 3, name: "msg_ctlmnb", type: "uint32", label: "required" },
  { number: 4, name: "msg_ctlmni", type: "uint32", label: "required" },
  { number: 5, name: "auto_msgmni", type: "uint32", label: "required" },
  { number: 6, name: "shm_ctlmax", type: "uint64", label: "required" },
  { number: 7, name: "shm_ctlall", type: "uint64", label: "required" },
  { number: 8, name: "shm_ctlmni", type: "uint32", label: "required" },
  { number: 9, name: "shm_rmid_forced", type: "uint32", label: "required" },
  { number: 10, name: "mq_queues_max", type: "uint32", label: "required" },
  { number: 11, name: "mq_msg_max", type: "uint32", label: "required" },
  { number: 12, name: "mq_msgsize_max", type: "uint32", label: "required" },
  { number: 13, name: "mq_msg_default", type: "uint32", label: "optional" },
  { number: 14, name: "mq_msgsize_default", type: "uint32", label: "optional" },
  { number: 15, name: "msg_next_id", type: "uint32", label: "optional" },
  { number: 16, name: "sem_next_id", type: "uint32", label: "optional" },
  { number: 17, name: "shm_next_id", type: "uint32", label: "optional" },
])
