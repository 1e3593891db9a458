import type { Registers } from "../../../ffi/abi/registers.x86_64.ts"
import { FXREGS, fxregs, XFEATURE, XSTATE_HEADER } from "../../../ffi/abi/xsave.x86_64.ts"
import { xstateComponent } from "../../../ffi/cpu.x86_64.ts"
import { decode } from "../../../ffi/layout.ts"
import {
  type user_desc_t,
  type user_x86_fpregs_entry,
  type user_x86_regs_entry,
  user_x86_regs_mode,
  type user_x86_xsave_entry,
} from "../../../proto/gen/core-x86_pb.ts"

/** General registers, restart already decided -> their entry. Mirror: ./restore.x86_64.ts */
export const collectRegisters = (registers: Registers): user_x86_regs_entry => ({ ...registers, mode: user_x86_regs_mode.NATIVE })

/** The xsave fields of the image, each with its component. Arrays of 64-bit or 32-bit words. */
export const XSAVE_FIELDS = [
  ["ymmh_space", XFEATURE.YMM, 4],
  ["bndreg_state", XFEATURE.BNDREGS, 8],
  ["bndcsr_state", XFEATURE.BNDCSR, 8],
  ["opmask_reg", XFEATURE.OPMASK, 8],
  ["zmm_upper", XFEATURE.ZMM_HI256, 8],
  ["hi16_zmm", XFEATURE.HI16_ZMM, 8],
  ["pkru", XFEATURE.PKRU, 4],
] as const satisfies readonly (readonly [keyof user_x86_xsave_entry, number, 4 | 8])[]

const words32 = (view: DataView, at: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => view.getUint32(at + 4 * i, true))
const words64 = (view: DataView, at: number, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => view.getBigUint64(at + 8 * i, true))

/**
 * Standard-layout XSAVE bytes -> the entry of core-%u.img. Mirror: ./restore.x86_64.ts
 *
 * @param xstate as PTRACE_GETREGSET NT_X86_XSTATE gives it: components out of use hold their initial values there
 * Kernel: arch/x86/kernel/fpu/xstate.c __copy_xstate_to_uabi_buf()
 */
export function collectFpu(xstate: Uint8Array): user_x86_fpregs_entry {
  const view = new DataView(xstate.buffer, xstate.byteOffset, xstate.byteLength)
  const xsave: user_x86_xsave_entry = {
    xstate_bv: view.getBigUint64(XSTATE_HEADER, true),
    ymmh_space: [],
    bndreg_state: [],
    bndcsr_state: [],
    opmask_reg: [],
    zmm_upper: [],
    hi16_zmm: [],
    pkru: [],
  }
  for (const [field, feature, width] of XSAVE_FIELDS) {
    const component = xstateComponent(feature)
    if (!component || component.offset + component.size > xstate.length) continue
    const values = width === 4 ? words32(view, component.offset, component.size / 4) : words64(view, component.offset, component.size / 8)
    Object.assign(xsave, { [field]: values })
  }
  return {
    ...decode(fxregs, xstate),
    st_space: words32(view, FXREGS.stAt, FXREGS.stWords),
    xmm_space: words32(view, FXREGS.xmmAt, FXREGS.xmmWords),
    padding: [],
    xsave,
  }
}

/** Components in use that core-%u.img has no field for (AMX ...): the bytes go whole into our extension then. */
export function hasForeignState(xstate: Uint8Array): boolean {
  const inUse = new DataView(xstate.buffer, xstate.byteOffset).getBigUint64(XSTATE_HEADER, true)
  const carried = Object.values(XFEATURE).reduce((mask, feature) => mask | (1n << BigInt(feature)), 0n)
  return (inUse & ~carried) !== 0n
}

/** The GDT's TLS slots 12 to 14: a 64-bit program has none, so all three are marked unused, as CRIU writes them. */
export const collectTls = (): user_desc_t[] =>
  [12, 13, 14].map((entry_number) => ({
    entry_number,
    base_addr: 0,
    limit: 0,
    seg_32bit: false,
    contents_h: false,
    contents_l: false,
    read_exec_only: true,
    limit_in_pages: false,
    seg_not_present: true,
    usable: false,
  }))
