// Made from proto/core-riscv64.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** General registers. */
export interface user_riscv64_regs_entry {
  pc: bigint
  ra: bigint
  sp: bigint
  gp: bigint
  tp: bigint
  t0: bigint
  t1: bigint
  t2: bigint
  s0: bigint
  s1: bigint
  a0: bigint
  a1: bigint
  a2: bigint
  a3: bigint
  a4: bigint
  a5: bigint
  a6: bigint
  a7: bigint
  s2: bigint
  s3: bigint
  s4: bigint
  s5: bigint
  s6: bigint
  s7: bigint
  s8: bigint
  s9: bigint
  s10: bigint
  s11: bigint
  t3: bigint
  t4: bigint
  t5: bigint
  t6: bigint
}
export const user_riscv64_regs_entrySchema: Schema<user_riscv64_regs_entry> = schema("user_riscv64_regs_entry", () => [
  { number: 1, name: "pc", type: "uint64", label: "required" },
  { number: 2, name: "ra", type: "uint64", label: "required" },
  { number: 3, name: "sp", type: "uint64", label: "required" },
  { number: 4, name: "gp", type: "uint64", label: "required" },
  { number: 5, name: "tp", type: "uint64", label: "required" },
  { number: 6, name: "t0", type: "uint64", label: "required" },
  { number: 7, name: "t1", type: "uint64", label: "required" },
  { number: 8, name: "t2", type: "uint64", label: "required" },
  { number: 9, name: "s0", type: "uint64", label: "required" },
  { number: 10, name: "s1", type: "uint64", label: "required" },
  { number: 11, name: "a0", type: "uint64", label: "required" },
  { number: 12, name: "a1", type: "uint64", label: "required" },
  { number: 13, name: "a2", type: "uint64", label: "required" },
  { number: 14, name: "a3", type: "uint64", label: "required" },
  { number: 15, name: "a4", type: "uint64", label: "required" },
  { number: 16, name: "a5", type: "uint64", label: "required" },
  { number: 17, name: "a6", type: "uint64", label: "required" },
  { number: 18, name: "a7", type: "uint64", label: "required" },
  { number: 19, name: "s2", type: "uint64", label: "required" },
  { number: 20, name: "s3", type: "uint64", label: "required" },
  { number: 21, name: "s4", type: "uint64", label: "required" },
  { number: 22, name: "s5", type: "uint64", label: "required" },
  { number: 23, name: "s6", type: "uint64", label: "required" },
  { number: 24, name: "s7", type: "uint64", label: "required" },
  { number: 25, name: "s8", type: "uint64", label: "required" },
  { number: 26, name: "s9", type: "uint64", label: "required" },
  { number: 27, name: "s10", type: "uint64", label: "required" },
  { number: 28, name: "s11", type: "uint64", label: "required" },
  { number: 29, name: "t3", type: "uint64", label: "required" },
  { number: 30, name: "t4", type: "uint64", label: "required" },
  { number: 31, name: "t5", type: "uint64", label: "required" },
  { number: 32, name: "t6", type: "uint64", label: "required" },
])

/** Floating-point registers (D extension). */
export interface user_riscv64_d_ext_entry {
  f: bigint[]
  fcsr: number
}
export const user_riscv64_d_ext_entrySchema: Schema<user_riscv64_d_ext_entry> = schema("user_riscv64_d_ext_entry", () => [
  { number: 1, name: "f", type: "uint64", label: "repeated" },
  { number: 2, name: "fcsr", type: "uint32", label: "required" },
])

/** core_entry.ti_riscv64. */
export interface thread_info_riscv64 {
  clear_tid_addr: bigint
  tls: bigint
  gpregs: user_riscv64_regs_entry
  fpsimd: user_riscv64_d_ext_entry
}
export const thread_info_riscv64Schema: Schema<thread_info_riscv64> = schema("thread_info_riscv64", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "tls", type: "uint64", label: "required" },
  { number: 3, name: "gpregs", type: "message", label: "required", message: () => user_riscv64_regs_entrySchema },
  { number: 4, name: "fpsimd", type: "message", label: "required", message: () => user_riscv64_d_ext_entrySchema },
])
