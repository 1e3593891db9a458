// Made from proto/core-loongarch64.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** General registers. */
export interface user_loongarch64_gpregs_entry {
  regs: bigint[]
  pc: bigint
}
export const user_loongarch64_gpregs_entrySchema: Schema<user_loongarch64_gpregs_entry> = schema("user_loongarch64_gpregs_entry", () => [
  { number: 1, name: "regs", type: "uint64", label: "repeated" },
  { number: 2, name: "pc", type: "uint64", label: "required" },
])

/** Floating-point registers. */
export interface user_loongarch64_fpregs_entry {
  regs: bigint[]
  fcc: bigint
  fcsr: number
}
export const user_loongarch64_fpregs_entrySchema: Schema<user_loongarch64_fpregs_entry> = schema("user_loongarch64_fpregs_entry", () => [
  { number: 1, name: "regs", type: "uint64", label: "repeated" },
  { number: 2, name: "fcc", type: "uint64", label: "required" },
  { number: 3, name: "fcsr", type: "uint32", label: "required" },
])

/** core_entry.ti_loongarch64. */
export interface thread_info_loongarch64 {
  clear_tid_addr: bigint
  tls: bigint
  gpregs: user_loongarch64_gpregs_entry
  fpregs: user_loongarch64_fpregs_entry
}
export const thread_info_loongarch64Schema: Schema<thread_info_loongarch64> = schema("thread_info_loongarch64", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "tls", type: "uint64", label: "required" },
  { number: 3, name: "gpregs", type: "message", label: "required", message: () => user_loongarch64_gpregs_entrySchema },
  { number: 4, name: "fpregs", type: "message", label: "required", message: () => user_loongarch64_fpregs_entrySchema },
])
