// Made from proto/core-ppc64.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** General registers. */
export interface user_ppc64_regs_entry {
  gpr: bigint[]
  nip: bigint
  msr: bigint
  orig_gpr3: bigint
  ctr: bigint
  link: bigint
  xer: bigint
  ccr: bigint
  trap: bigint
  texasr?: bigint
  tfhar?: bigint
  tfiar?: bigint
}
export const user_ppc64_regs_entrySchema: Schema<user_ppc64_regs_entry> = schema("user_ppc64_regs_entry", () => [
  { number: 1, name: "gpr", type: "uint64", label: "repeated" },
  { number: 2, name: "nip", type: "uint64", label: "required" },
  { number: 3, name: "msr", type: "uint64", label: "required" },
  { number: 4, name: "orig_gpr3", type: "uint64", label: "required" },
  { number: 5, name: "ctr", type: "uint64", label: "required" },
  { number: 6, name: "link", type: "uint64", label: "required" },
  { number: 7, name: "xer", type: "uint64", label: "required" },
  { number: 8, name: "ccr", type: "uint64", label: "required" },
  { number: 9, name: "trap", type: "uint64", label: "required" },
  { number: 10, name: "texasr", type: "uint64", label: "optional" },
  { number: 11, name: "tfhar", type: "uint64", label: "optional" },
  { number: 12, name: "tfiar", type: "uint64", label: "optional" },
])

/** Floating-point registers. */
export interface user_ppc64_fpstate_entry {
  fpregs: bigint[]
}
export const user_ppc64_fpstate_entrySchema: Schema<user_ppc64_fpstate_entry> = schema("user_ppc64_fpstate_entry", () => [
  { number: 1, name: "fpregs", type: "uint64", label: "repeated" },
])

/** Altivec registers. */
export interface user_ppc64_vrstate_entry {
  vrregs: bigint[]
  vrsave: number
}
export const user_ppc64_vrstate_entrySchema: Schema<user_ppc64_vrstate_entry> = schema("user_ppc64_vrstate_entry", () => [
  { number: 1, name: "vrregs", type: "uint64", label: "repeated" },
  { number: 2, name: "vrsave", type: "uint32", label: "required" },
])

/** Low halves of VSX registers. */
export interface user_ppc64_vsxstate_entry {
  vsxregs: bigint[]
}
export const user_ppc64_vsxstate_entrySchema: Schema<user_ppc64_vsxstate_entry> = schema("user_ppc64_vsxstate_entry", () => [
  { number: 1, name: "vsxregs", type: "uint64", label: "repeated" },
])

/** Checkpointed state of a transaction. */
export interface user_ppc64_tm_regs_entry {
  gpregs: user_ppc64_regs_entry
  fpstate?: user_ppc64_fpstate_entry
  vrstate?: user_ppc64_vrstate_entry
  vsxstate?: user_ppc64_vsxstate_entry
}
export const user_ppc64_tm_regs_entrySchema: Schema<user_ppc64_tm_regs_entry> = schema("user_ppc64_tm_regs_entry", () => [
  { number: 1, name: "gpregs", type: "message", label: "required", message: () => user_ppc64_regs_entrySchema },
  { number: 2, name: "fpstate", type: "message", label: "optional", message: () => user_ppc64_fpstate_entrySchema },
  { number: 3, name: "vrstate", type: "message", label: "optional", message: () => user_ppc64_vrstate_entrySchema },
  { number: 4, name: "vsxstate", type: "message", label: "optional", message: () => user_ppc64_vsxstate_entrySchema },
])

/** core_entry.ti_ppc64. */
export interface thread_info_ppc64 {
  clear_tid_addr: bigint
  gpregs: user_ppc64_regs_entry
  fpstate?: user_ppc64_fpstate_entry
  vrstate?: user_ppc64_vrstate_entry
  vsxstate?: user_ppc64_vsxstate_entry
  tmstate?: user_ppc64_tm_regs_entry
}
export const thread_info_ppc64Schema: Schema<thread_info_ppc64> = schema("thread_info_ppc64", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "gpregs", type: "message", label: "required", message: () => user_ppc64_regs_entrySchema },
  { number: 3, name: "fpstate", type: "message", label: "optional", message: () => user_ppc64_fpstate_entrySchema },
  { number: 4, name: "vrstate", type: "message", label: "optional", message: () => user_ppc64_vrstate_entrySchema },
  { number: 5, name: "vsxstate", type: "message", label: "optional", message: () => user_ppc64_vsxstate_entrySchema },
  { number: 6, name: "tmstate", type: "message", label: "optional", message: () => user_ppc64_tm_regs_entrySchema },
])
