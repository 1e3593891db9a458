// Made from proto/core-arm.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** r0 to r15, cpsr, orig_r0. */
export interface user_arm_regs_entry {
  r0: number
  r1: number
  r2: number
  r3: number
  r4: number
  r5: number
  r6: number
  r7: number
  r8: number
  r9: number
  r10: number
  fp: number
  ip: number
  sp: number
  lr: number
  pc: number
  cpsr: number
  orig_r0: number
}
export const user_arm_regs_entrySchema: Schema<user_arm_regs_entry> = schema("user_arm_regs_entry", () => [
  { number: 1, name: "r0", type: "uint32", label: "required" },
  { number: 2, name: "r1", type: "uint32", label: "required" },
  { number: 3, name: "r2", type: "uint32", label: "required" },
  { number: 4, name: "r3", type: "uint32", label: "required" },
  { number: 5, name: "r4", type: "uint32", label: "required" },
  { number: 6, name: "r5", type: "uint32", label: "required" },
  { number: 7, name: "r6", type: "uint32", label: "required" },
  { number: 8, name: "r7", type: "uint32", label: "required" },
  { number: 9, name: "r8", type: "uint32", label: "required" },
  { number: 10, name: "r9", type: "uint32", label: "required" },
  { number: 11, name: "r10", type: "uint32", label: "required" },
  { number: 12, name: "fp", type: "uint32", label: "required" },
  { number: 13, name: "ip", type: "uint32", label: "required" },
  { number: 14, name: "sp", type: "uint32", label: "required" },
  { number: 15, name: "lr", type: "uint32", label: "required" },
  { number: 16, name: "pc", type: "uint32", label: "required" },
  { number: 17, name: "cpsr", type: "uint32", label: "required" },
  { number: 18, name: "orig_r0", type: "uint32", label: "required" },
])

/** VFP registers. */
export interface user_arm_vfpstate_entry {
  vfp_regs: bigint[]
  fpscr: number
  fpexc: number
  fpinst: number
  fpinst2: number
}
export const user_arm_vfpstate_entrySchema: Schema<user_arm_vfpstate_entry> = schema("user_arm_vfpstate_entry", () => [
  { number: 1, name: "vfp_regs", type: "uint64", label: "repeated" },
  { number: 2, name: "fpscr", type: "uint32", label: "required" },
  { number: 3, name: "fpexc", type: "uint32", label: "required" },
  { number: 4, name: "fpinst", type: "uint32", label: "required" },
  { number: 5, name: "fpinst2", type: "uint32", label: "required" },
])

/** core_entry.ti_arm. */
export interface thread_info_arm {
  clear_tid_addr: bigint
  tls: number
  gpregs: user_arm_regs_entry
  fpstate: user_arm_vfpstate_entry
}
export const thread_info_armSchema: Schema<thread_info_arm> = schema("thread_info_arm", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "tls", type: "uint32", label: "required" },
  { number: 3, name: "gpregs", type: "message", label: "required", message: () => user_arm_regs_entrySchema },
  { number: 4, name: "fpstate", type: "message", label: "required", message: () => user_arm_vfpstate_entrySchema },
])
