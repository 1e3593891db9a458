// Made from proto/core-aarch64.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** x0 to x30, sp, pc and pstate. */
export interface user_aarch64_regs_entry {
  regs: bigint[]
  sp: bigint
  pc: bigint
  pstate: bigint
}
export const user_aarch64_regs_entrySchema: Schema<user_aarch64_regs_entry> = schema("user_aarch64_regs_entry", () => [
  { number: 1, name: "regs", type: "uint64", label: "repeated" },
  { number: 2, name: "sp", type: "uint64", label: "required" },
  { number: 3, name: "pc", type: "uint64", label: "required" },
  { number: 4, name: "pstate", type: "uint64", label: "required" },
])

/** V0 to V31: two words each, low half first. */
export interface user_aarch64_fpsimd_context_entry {
  vregs: bigint[]
  fpsr: number
  fpcr: number
}
export const user_aarch64_fpsimd_context_entrySchema: Schema<user_aarch64_fpsimd_context_entry> = schema("user_aarch64_fpsimd_context_entry", () => [
  { number: 1, name: "vregs", type: "uint64", label: "repeated" },
  { number: 2, name: "fpsr", type: "uint32", label: "required" },
  { number: 3, name: "fpcr", type: "uint32", label: "required" },
])

/** Keys of pointer authentication for addresses. */
export interface pac_address_keys {
  apiakey_lo: bigint
  apiakey_hi: bigint
  apibkey_lo: bigint
  apibkey_hi: bigint
  apdakey_lo: bigint
  apdakey_hi: bigint
  apdbkey_lo: bigint
  apdbkey_hi: bigint
  pac_enabled_key: bigint
}
export const pac_address_keysSchema: Schema<pac_address_keys> = schema("pac_address_keys", () => [
  { number: 1, name: "apiakey_lo", type: "uint64", label: "required" },
  { number: 2, name: "apiakey_hi", type: "uint64", label: "required" },
  { number: 3, name: "apibkey_lo", type: "uint64", label: "required" },
  { number: 4, name: "apibkey_hi", type: "uint64", label: "required" },
  { number: 5, name: "apdakey_lo", type: "uint64", label: "required" },
  { number: 6, name: "apdakey_hi", type: "uint64", label: "required" },
  { number: 7, name: "apdbkey_lo", type: "uint64", label: "required" },
  { number: 8, name: "apdbkey_hi", type: "uint64", label: "required" },
  { number: 9, name: "pac_enabled_key", type: "uint64", label: "required" },
])

/** Generic pointer-authentication key. */
export interface pac_generic_keys {
  apgakey_lo: bigint
  apgakey_hi: bigint
}
export const pac_generic_keysSchema: Schema<pac_generic_keys> = schema("pac_generic_keys", () => [
  { number: 1, name: "apgakey_lo", type: "uint64", label: "required" },
  { number: 2, name: "apgakey_hi", type: "uint64", label: "required" },
])

/** Pointer-authentication keys of a process. */
export interface pac_keys {
  pac_address_keys?: pac_address_keys
  pac_generic_keys?: pac_generic_keys
}
export const pac_keysSchema: Schema<pac_keys> = schema("pac_keys", () => [
  { number: 6, name: "pac_address_keys", type: "message", label: "optional", message: () => pac_address_keysSchema },
  { number: 7, name: "pac_generic_keys", type: "message", label: "optional", message: () => pac_generic_keysSchema },
])

/** core_entry.ti_aarch64. tls = tpidr_el0. */
export interface thread_info_aarch64 {
  clear_tid_addr: bigint
  tls: bigint
  gpregs: user_aarch64_regs_entry
  fpsimd: user_aarch64_fpsimd_context_entry
  pac_keys?: pac_keys
}
export const thread_info_aarch64Schema: Schema<thread_info_aarch64> = schema("thread_info_aarch64", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "tls", type: "uint64", label: "required" },
  { number: 3, name: "gpregs", type: "message", label: "required", message: () => user_aarch64_regs_entrySchema },
  { number: 4, name: "fpsimd", type: "message", label: "required", message: () => user_aarch64_fpsimd_context_entrySchema },
  { number: 5, name: "pac_keys", type: "message", label: "optional", message: () => pac_keysSchema },
])
