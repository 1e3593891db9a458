// Made from proto/core-x86.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Instruction set a thread was running: 64-bit code or 32-bit (compat) code. Absent means NATIVE. */
export enum user_x86_regs_mode {
  NATIVE = 1,
  COMPAT = 2,
}

/**
 * struct user_regs_struct of PTRACE_GETREGS, each member widened to 64 bits. After the restart fix-up: never holds
 * -512..-516 with a live orig_ax.
 */
export interface user_x86_regs_entry {
  r15: bigint
  r14: bigint
  r13: bigint
  r12: bigint
  bp: bigint
  bx: bigint
  r11: bigint
  r10: bigint
  r9: bigint
  r8: bigint
  ax: bigint
  cx: bigint
  dx: bigint
  si: bigint
  di: bigint
  orig_ax: bigint
  ip: bigint
  cs: bigint
  flags: bigint
  sp: bigint
  ss: bigint
  fs_base: bigint
  gs_base: bigint
  ds: bigint
  es: bigint
  fs: bigint
  gs: bigint
  /** Absent means NATIVE. */
  mode?: user_x86_regs_mode
}
export const user_x86_regs_entrySchema: Schema<user_x86_regs_entry> = schema("user_x86_regs_entry", () => [
  { number: 1, name: "r15", type: "uint64", label: "required" },
  { number: 2, name: "r14", type: "uint64", label: "required" },
  { number: 3, name: "r13", type: "uint64", label: "required" },
  { number: 4, name: "r12", type: "uint64", label: "required" },
  { number: 5, name: "bp", type: "uint64", label: "required" },
  { number: 6, name: "bx", type: "uint64", label: "required" },
  { number: 7, name: "r11", type: "uint64", label: "required" },
  { number: 8, name: "r10", type: "uint64", label: "required" },
  { number: 9, name: "r9", type: "uint64", label: "required" },
  { number: 10, name: "r8", type: "uint64", label: "required" },
  { number: 11, name: "ax", type: "uint64", label: "required" },
  { number: 12, name: "cx", type: "uint64", label: "required" },
  { number: 13, name: "dx", type: "uint64", label: "required" },
  { number: 14, name: "si", type: "uint64", label: "required" },
  { number: 15, name: "di", type: "uint64", label: "required" },
  { number: 16, name: "orig_ax", type: "uint64", label: "required" },
  { number: 17, name: "ip", type: "uint64", label: "required" },
  { number: 18, name: "cs", type: "uint64", label: "required" },
  { number: 19, name: "flags", type: "uint64", label: "required" },
  { number: 20, name: "sp", type: "uint64", label: "required" },
  { number: 21, name: "ss", type: "uint64", label: "required" },
  { number: 22, name: "fs_base", type: "uint64", label: "required" },
  { number: 23, name: "gs_base", type: "uint64", label: "required" },
  { number: 24, name: "ds", type: "uint64", label: "required" },
  { number: 25, name: "es", type: "uint64", label: "required" },
  { number: 26, name: "fs", type: "uint64", label: "required" },
  { number: 27, name: "gs", type: "uint64", label: "required" },
  { number: 28, name: "mode", type: "enum", label: "optional", values: user_x86_regs_mode, default: user_x86_regs_mode.NATIVE },
])

/** Shadow stack: feature bits and pointer; both 0 when off. */
export interface user_x86_cet_entry {
  cet: bigint
  ssp: bigint
}
export const user_x86_cet_entrySchema: Schema<user_x86_cet_entry> = schema("user_x86_cet_entry", () => [
  { number: 1, name: "cet", type: "uint64", label: "required" },
  { number: 2, name: "ssp", type: "uint64", label: "required" },
])

/** Components of the XSAVE area beyond the legacy 512 bytes, each whole or absent. */
export interface user_x86_xsave_entry {
  xstate_bv: bigint
  ymmh_space: number[]
  bndreg_state: bigint[]
  bndcsr_state: bigint[]
  opmask_reg: bigint[]
  zmm_upper: bigint[]
  hi16_zmm: bigint[]
  pkru: number[]
  cet?: user_x86_cet_entry
}
export const user_x86_xsave_entrySchema: Schema<user_x86_xsave_entry> = schema("user_x86_xsave_entry", () => [
  { number: 1, name: "xstate_bv", type: "uint64", label: "required" },
  { number: 2, name: "ymmh_space", type: "uint32", label: "repeated" },
  { number: 3, name: "bndreg_state", type: "uint64", label: "repeated" },
  { number: 4, name: "bndcsr_state", type: "uint64", label: "repeated" },
  { number: 5, name: "opmask_reg", type: "uint64", label: "repeated" },
  { number: 6, name: "zmm_upper", type: "uint64", label: "repeated" },
  { number: 7, name: "hi16_zmm", type: "uint64", label: "repeated" },
  { number: 8, name: "pkru", type: "uint32", label: "repeated" },
  { number: 9, name: "cet", type: "message", label: "optional", message: () => user_x86_cet_entrySchema },
])

/** The legacy FXSAVE area: st_space 32 words, xmm_space 64 words; twd in abridged form. */
export interface user_x86_fpregs_entry {
  cwd: number
  swd: number
  twd: number
  fop: number
  rip: bigint
  rdp: bigint
  mxcsr: number
  mxcsr_mask: number
  st_space: number[]
  xmm_space: number[]
  padding: number[]
  xsave?: user_x86_xsave_entry
}
export const user_x86_fpregs_entrySchema: Schema<user_x86_fpregs_entry> = schema("user_x86_fpregs_entry", () => [
  { number: 1, name: "cwd", type: "uint32", label: "required" },
  { number: 2, name: "swd", type: "uint32", label: "required" },
  { number: 3, name: "twd", type: "uint32", label: "required" },
  { number: 4, name: "fop", type: "uint32", label: "required" },
  { number: 5, name: "rip", type: "uint64", label: "required" },
  { number: 6, name: "rdp", type: "uint64", label: "required" },
  { number: 7, name: "mxcsr", type: "uint32", label: "required" },
  { number: 8, name: "mxcsr_mask", type: "uint32", label: "required" },
  { number: 9, name: "st_space", type: "uint32", label: "repeated" },
  { number: 10, name: "xmm_space", type: "uint32", label: "repeated" },
  { number: 11, name: "padding", type: "uint32", label: "repeated" },
  { number: 13, name: "xsave", type: "message", label: "optional", message: () => user_x86_xsave_entrySchema },
])

/** A GDT TLS slot (entries 12 to 14 on x86-64), struct user_desc. */
export interface user_desc_t {
  entry_number: number
  base_addr: number
  limit: number
  seg_32bit: boolean
  contents_h: boolean
  contents_l: boolean
  read_exec_only: boolean
  limit_in_pages: boolean
  seg_not_present: boolean
  usable: boolean
}
export const user_desc_tSchema: Schema<user_desc_t> = schema("user_desc_t", () => [
  { number: 1, name: "entry_number", type: "uint32", label: "required" },
  { number: 2, name: "base_addr", type: "uint32", label: "required" },
  { number: 3, name: "limit", type: "uint32", label: "required" },
  { number: 4, name: "seg_32bit", type: "bool", label: "required" },
  { number: 5, name: "contents_h", type: "bool", label: "required" },
  { number: 6, name: "contents_l", type: "bool", label: "required" },
  { number: 7, name: "read_exec_only", type: "bool", label: "required", default: true },
  { number: 8, name: "limit_in_pages", type: "bool", label: "required" },
  { number: 9, name: "seg_not_present", type: "bool", label: "required", default: true },
  { number: 10, name: "usable", type: "bool", label: "required" },
])

/** core_entry.thread_info. */
export interface thread_info_x86 {
  clear_tid_addr: bigint
  gpregs: user_x86_regs_entry
  fpregs: user_x86_fpregs_entry
  tls: user_desc_t[]
}
export const thread_info_x86Schema: Schema<thread_info_x86> = schema("thread_info_x86", () => [
  { number: 1, name: "clear_tid_addr", type: "uint64", label: "required" },
  { number: 2, name: "gpregs", type: "message", label: "required", message: () => user_x86_regs_entrySchema },
  { number: 3, name: "fpregs", type: "message", label: "required", message: () => user_x86_fpregs_entrySchema },
  { number: 4, name: "tls", type: "message", label: "repeated", message: () => user_desc_tSchema },
])
