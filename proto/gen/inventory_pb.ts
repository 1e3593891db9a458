// Made from proto/inventory.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { task_kobj_ids_entrySchema, type task_kobj_ids_entry } from "./core_pb.ts"

/** Security module of the dumping host. */
export enum lsmtype {
  NO_LSM = 0,
  SELINUX = 1,
  APPARMOR = 2,
}

/** Plugins used at dump. */
export interface plugins_entry {
  plugins: string[]
}
export const plugins_entrySchema: Schema<plugins_entry> = schema("plugins_entry", () => [
  { number: 12, name: "plugins", type: "string", label: "repeated" },
])

/** inventory.img, one entry. img_version 2; dump_uptime in microseconds. */
export interface inventory_entry {
  img_version: number
  fdinfo_per_id?: boolean
  root_ids?: task_kobj_ids_entry
  ns_per_id?: boolean
  root_cg_set?: number
  lsmtype?: lsmtype
  dump_uptime?: bigint
  pre_dump_mode?: number
  tcp_close?: boolean
  network_lock_method?: number
  plugins_entry?: plugins_entry
  dump_criu_run_id?: string
  allow_uprobes?: boolean
}
export const inventory_entrySchema: Schema<inventory_entry> = schema("inventory_entry", () => [
  { number: 1, name: "img_version", type: "uint32", label: "required" },
  { number: 2, name: "fdinfo_per_id", type: "bool", label: "optional" },
  { number: 3, name: "root_ids", type: "message", label: "optional", message: () => task_kobj_ids_entrySchema },
  { number: 4, name: "ns_per_id", type: "bool", label: "optional" },
  { number: 5, name: "root_cg_set", type: "uint32", label: "optional" },
  { number: 6, name: "lsmtype", type: "enum", label: "optional", values: lsmtype },
  { number: 8, name: "dump_uptime", type: "uint64", label: "optional" },
  { number: 9, name: "pre_dump_mode", type: "uint32", label: "optional" },
  { number: 10, name: "tcp_close", type: "bool", label: "optional" },
  { number: 11, name: "network_lock_method", type: "uint32", label: "optional" },
  { number: 12, name: "plugins_entry", type: "message", label: "optional", message: () => plugins_entrySchema },
  { number: 13, name: "dump_criu_run_id", type: "string", label: "optional" },
  { number: 14, name: "allow_uprobes", type: "bool", label: "optional" },
])
