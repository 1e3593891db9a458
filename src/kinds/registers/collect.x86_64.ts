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

/** Lists of zeros by width and length: parts of the state that are out of use. Frozen, so that they are encoded once. */
const zeros = new Map<string, (number | bigint)[]>()
const NOTHING = Buffer.alloc(2048)

/** Little-endian words of 4 or 8 bytes. @param at a multiple of 8, in memory that begins at one */
function words(state: Buffer, at: number, size: number, width: 4): number[]
function words(state: Buffer, at: number, size: number, width: 4 | 8): (number | bigint)[]
function words(state: Buffer, at: number, size: number, width: 4 | 8): (number | bigint)[] {
  const count = size / width
  if (size <= NOTHING.length && state.compare(NOTHING, 0, size, at, at + size) === 0)
    return zeros.getOrInsertComputed(`${width} ${count}`, () => {
      const list = new Array<number | bigint>(count).fill(width === 4 ? 0 : 0n)
      Object.freeze(list)
      return list
    })
  const { buffer, byteOffset } = state
  const found = width === 4 ? new Uint32Array(buffer, byteOffset + at, count) : new BigUint64Array(buffer, byteOffset + at, count)
  const list = new Array<number | bigint>(count)
  for (let i = 0; i < count; i++) list[i] = found[i] as number | bigint
  return list
}

/**
 * Standard-layout XSAVE bytes -> the entry of core-%u.img. Mirror: ./restore.x86_64.ts
 *
 * @param xstate as PTRACE_GETREGSET NT_X86_XSTATE gives it: components out of use hold their initial values there
 *   Precondition: its memory begins at a multiple of 8.
 * Kernel: arch/x86/kernel/fpu/xstate.c __copy_xstate_to_uabi_buf()
 */
export function collectFpu(xstate: Uint8Array): user_x86_fpregs_entry {
  const state = Buffer.from(xstate.buffer, xstate.byteOffset, xstate.byteLength)
  const key = state.toString("latin1")
  const known = entries.get(key)
  if (known) return known
  const entry = entryOf(state)
  if (entries.size < MOST_ENTRIES) entries.set(key, Object.freeze(entry))
  return entry
}

/** Entries by the bytes that they are made from: threads that wait have few different ones. Frozen, so that they are encoded once. */
const entries = new Map<string, user_x86_fpregs_entry>()
const MOST_ENTRIES = 64

function entryOf(state: Buffer): user_x86_fpregs_entry {
  const xsave: user_x86_xsave_entry = {
    // Others, of which CRIU knows nothing, have their bits and their bytes in our extension.
    xstate_bv: state.readBigUInt64LE(XSTATE_HEADER) & CARRIED,
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
    if (!component || component.offset + component.size > state.length) continue
    Object.assign(xsave, { [field]: words(state, component.offset, component.size, width) })
  }
  return {
    ...decode(fxregs, state),
    st_space: words(state, FXREGS.stAt, FXREGS.stWords * 4, 4),
    xmm_space: words(state, FXREGS.xmmAt, FXREGS.xmmWords * 4, 4),
    padding: [],
    xsave,
  }
}

/** Components that the image has fields for, a bit each. */
const CARRIED = Object.values(XFEATURE).reduce((mask, feature) => mask | (1n << BigInt(feature)), 0n)

/** Components in use that core-%u.img has no field for (AMX ...): the bytes go whole into our extension then. */
export function hasForeignState(xstate: Uint8Array): boolean {
  const inUse = new DataView(xstate.buffer, xstate.byteOffset).getBigUint64(XSTATE_HEADER, true)
  return (inUse & ~CARRIED) !== 0n
}

/** The GDT's TLS slots 12 to 14: a 64-bit program has none, so all three are marked unused, as CRIU writes them. */
export const UNUSED_TLS: user_desc_t[] = [12, 13, 14].map((entry_number) => ({
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
Object.freeze(UNUSED_TLS)
