// Made from proto/core-s390.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** PSW, general and access registers. */
export interface user_s390_regs_entry {
  psw_mask: bigint
  psw_addr: bigint
  gprs: bigint[]
  acrs: number[]
  orig_gpr2: bigint
  system_call: number
}
export const user_s390_regs_entrySchema: Schema<user_s390_regs_entry> = schema("user_s390_regs_entry", () => [
  { number: 1, name: "psw_mask", type: "uint64", label: "required" },
  { number: 2, name: "psw_addr", type: "uint64", label: "required" },
  { number: 3, name: "gprs", type: "uint64", label: "repeated" },
  { number: 4, name: "acrs", type: "uint32", label: "repeated" },
  { number: 5, name: "orig_gpr2", type: "uint64", label: "required" },
  { number: 6, name: "system_call", type: "uint32", label: "required" },
])

/** Low halves of V0 to V15. */
export interface user_s390_vxrs_low_entry {
  regs: bigint[]
}
export const user_s390_vxrs_low_entrySchema: Schema<user_s390_vxrs_low_entry> = schema("user_s390_vxrs_low_entry", () => [
  { number: 1, name: "regs", type: "uint64", label: "repeated" },
])

/** V16 to V31. */
export interface user_s390_vxrs_high_entry {
  regs: bigint[]
}
export const user_s390_vxrs_high_entrySchema: Schema<user_s390_vxrs_high_entry> = schema("user_s390_vxrs_high_entry", () => [
  { number: 1, name: "regs", type: "uint64", label: "repeated" },
])

/** Floating-point registers. */
export interface user_s390_fpregs_entry {
  fpc: number
  fprs: bigint[]
}
export const user_s390_fpregs_entrySchema: Schema<user_s390_fpregs_entry> = schema("user_s390_fpregs_entry", () => [
  { number: 1, name: "fpc", type: "uint32", label: "required" },
  { number: 2, name: "fprs", type: "uint64", label: "repeated" },
])

/** Guarded-storage control block. */
export interface user_s390_gs_cb_entry {
  regs: bigint[]
}
export const user_s390_gs_cb_entrySchema: Schema<user_s390_gs_cb_entry> = schema("user_s390_gs_cb_entry", () => [
  { number: 1, name: "regs", type: "uint64", label: "repeated" },
])

/** Runtime instrumentation. */
export interface user_s390_ri_entry {
  ri_on: number
  regs: bigint[]
}
export const user_s390_ri_entrySchema: Schema<user_s390_ri_entry> = schema("user_s390_ri_entry", () => [
  { number: 1, name: "ri_on", type: "uint32", label: "required" },
  { number: 2, name: "regs", type: "uint64", label: "repeated" },
])

/** core_entry.ti_s390. */
export interface thread_info_s390 {
  clear_tid_addr: bigint
  gpregs: user_s390_regs_entry
  fpregs: user_s390_fpregs_entry
  vxrs_low?: user_s390_vxrs_low_entry
  vxrs_high?: user_s390_vxrs_high_entry
  gs_cb?: user_s390_gs_cb_entry
  gs_bc?: user_s390_gs_cb_entry
  ri_cb?: user_s390_ri_entry
}
export const thread_info_s390Schema: Schema<thread_info_s390> = schema("thread_info_s390", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "gpregs", type: "message", label: "required", message: () => user_s390_regs_entrySchema },
  { number: 3, name: "fpregs", type: "message", label: "required", message: () => user_s390_fpregs_entrySchema },
  { number: 4, name: "vxrs_low", type: "message", label: "optional", message: () => user_s390_vxrs_low_entrySchema },
  { number: 5, name: "vxrs_high", type: "message", label: "optional", message: () => user_s390_vxrs_high_entrySchema },
  { number: 6, name: "gs_cb", type: "message", label: "optional", message: () => user_s390_gs_cb_entrySchema },
  { number: 7, name: "gs_bc", type: "message", label: "optional", message: () => user_s390_gs_cb_entrySchema },
  { number: 8, name: "ri_cb", type: "message", label: "optional", message: () => user_s390_ri_entrySchema },
])
