// Made from proto/core-mips.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** General registers. */
export interface user_mips_regs_entry {
  r0: bigint
  r1: bigint
  r2: bigint
  r3: bigint
  r4: bigint
  r5: bigint
  r6: bigint
  r7: bigint
  r8: bigint
  r9: bigint
  r10: bigint
  r11: bigint
  r12: bigint
  r13: bigint
  r14: bigint
  r15: bigint
  r16: bigint
  r17: bigint
  r18: bigint
  r19: bigint
  r20: bigint
  r21: bigint
  r22: bigint
  r23: bigint
  r24: bigint
  r25: bigint
  r26: bigint
  r27: bigint
  r28: bigint
  r29: bigint
  r30: bigint
  r31: bigint
  lo: bigint
  hi: bigint
  cp0_epc: bigint
  cp0_badvaddr: bigint
  cp0_status: bigint
  cp0_cause: bigint
}
export const user_mips_regs_entrySchema: Schema<user_mips_regs_entry> = schema("user_mips_regs_entry", () => [
  { number: 1, name: "r0", type: "uint64", label: "required" },
  { number: 2, name: "r1", type: "uint64", label: "required" },
  { number: 3, name: "r2", type: "uint64", label: "required" },
  { number: 4, name: "r3", type: "uint64", label: "required" },
  { number: 5, name: "r4", type: "uint64", label: "required" },
  { number: 6, name: "r5", type: "uint64", label: "required" },
  { number: 7, name: "r6", type: "uint64", label: "required" },
  { number: 8, name: "r7", type: "uint64", label: "required" },
  { number: 9, name: "r8", type: "uint64", label: "required" },
  { number: 10, name: "r9", type: "uint64", label: "required" },
  { number: 11, name: "r10", type: "uint64", label: "required" },
  { number: 12, name: "r11", type: "uint64", label: "required" },
  { number: 13, name: "r12", type: "uint64", label: "required" },
  { number: 14, name: "r13", type: "uint64", label: "required" },
  { number: 15, name: "r14", type: "uint64", label: "required" },
  { number: 16, name: "r15", type: "uint64", label: "required" },
  { number: 17, name: "r16", type: "uint64", label: "required" },
  { number: 18, name: "r17", type: "uint64", label: "required" },
  { number: 19, name: "r18", type: "uint64", label: "required" },
  { number: 20, name: "r19", type: "uint64", label: "required" },
  { number: 21, name: "r20", type: "uint64", label: "required" },
  { number: 22, name: "r21", type: "uint64", label: "required" },
  { number: 23, name: "r22", type: "uint64", label: "required" },
  { number: 24, name: "r23", type: "uint64", label: "required" },
  { number: 25, name: "r24", type: "uint64", label: "required" },
  { number: 26, name: "r25", type: "uint64", label: "required" },
  { number: 27, name: "r26", type: "uint64", label: "required" },
  { number: 28, name: "r27", type: "uint64", label: "required" },
  { number: 29, name: "r28", type: "uint64", label: "required" },
  { number: 30, name: "r29", type: "uint64", label: "required" },
  { number: 31, name: "r30", type: "uint64", label: "required" },
  { number: 32, name: "r31", type: "uint64", label: "required" },
  { number: 33, name: "lo", type: "uint64", label: "required" },
  { number: 34, name: "hi", type: "uint64", label: "required" },
  { number: 35, name: "cp0_epc", type: "uint64", label: "required" },
  { number: 36, name: "cp0_badvaddr", type: "uint64", label: "required" },
  { number: 37, name: "cp0_status", type: "uint64", label: "required" },
  { number: 38, name: "cp0_cause", type: "uint64", label: "required" },
])

/** Floating-point registers. */
export interface user_mips_fpregs_entry {
  r0: bigint
  r1: bigint
  r2: bigint
  r3: bigint
  r4: bigint
  r5: bigint
  r6: bigint
  r7: bigint
  r8: bigint
  r9: bigint
  r10: bigint
  r11: bigint
  r12: bigint
  r13: bigint
  r14: bigint
  r15: bigint
  r16: bigint
  r17: bigint
  r18: bigint
  r19: bigint
  r20: bigint
  r21: bigint
  r22: bigint
  r23: bigint
  r24: bigint
  r25: bigint
  r26: bigint
  r27: bigint
  r28: bigint
  r29: bigint
  r30: bigint
  r31: bigint
  lo: bigint
  hi: bigint
  fpu_fcr31: number
  fpu_id: number
}
export const user_mips_fpregs_entrySchema: Schema<user_mips_fpregs_entry> = schema("user_mips_fpregs_entry", () => [
  { number: 1, name: "r0", type: "uint64", label: "required" },
  { number: 2, name: "r1", type: "uint64", label: "required" },
  { number: 3, name: "r2", type: "uint64", label: "required" },
  { number: 4, name: "r3", type: "uint64", label: "required" },
  { number: 5, name: "r4", type: "uint64", label: "required" },
  { number: 6, name: "r5", type: "uint64", label: "required" },
  { number: 7, name: "r6", type: "uint64", label: "required" },
  { number: 8, name: "r7", type: "uint64", label: "required" },
  { number: 9, name: "r8", type: "uint64", label: "required" },
  { number: 10, name: "r9", type: "uint64", label: "required" },
  { number: 11, name: "r10", type: "uint64", label: "required" },
  { number: 12, name: "r11", type: "uint64", label: "required" },
  { number: 13, name: "r12", type: "uint64", label: "required" },
  { number: 14, name: "r13", type: "uint64", label: "required" },
  { number: 15, name: "r14", type: "uint64", label: "required" },
  { number: 16, name: "r15", type: "uint64", label: "required" },
  { number: 17, name: "r16", type: "uint64", label: "required" },
  { number: 18, name: "r17", type: "uint64", label: "required" },
  { number: 19, name: "r18", type: "uint64", label: "required" },
  { number: 20, name: "r19", type: "uint64", label: "required" },
  { number: 21, name: "r20", type: "uint64", label: "required" },
  { number: 22, name: "r21", type: "uint64", label: "required" },
  { number: 23, name: "r22", type: "uint64", label: "required" },
  { number: 24, name: "r23", type: "uint64", label: "required" },
  { number: 25, name: "r24", type: "uint64", label: "required" },
  { number: 26, name: "r25", type: "uint64", label: "required" },
  { number: 27, name: "r26", type: "uint64", label: "required" },
  { number: 28, name: "r27", type: "uint64", label: "required" },
  { number: 29, name: "r28", type: "uint64", label: "required" },
  { number: 30, name: "r29", type: "uint64", label: "required" },
  { number: 31, name: "r30", type: "uint64", label: "required" },
  { number: 32, name: "r31", type: "uint64", label: "required" },
  { number: 33, name: "lo", type: "uint64", label: "required" },
  { number: 34, name: "hi", type: "uint64", label: "required" },
  { number: 35, name: "fpu_fcr31", type: "uint32", label: "required" },
  { number: 36, name: "fpu_id", type: "uint32", label: "required" },
])

/** core_entry.ti_mips. */
export interface thread_info_mips {
  clear_tid_addr: bigint
  tls: bigint
  gpregs: user_mips_regs_entry
  fpregs: user_mips_fpregs_entry
}
export const thread_info_mipsSchema: Schema<thread_info_mips> = schema("thread_info_mips", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "tls", type: "uint64", label: "required" },
  { number: 3, name: "gpregs", type: "message", label: "required", message: () => user_mips_regs_entrySchema },
  { number: 4, name: "fpregs", type: "message", label: "required", message: () => user_mips_fpregs_entrySchema },
])
