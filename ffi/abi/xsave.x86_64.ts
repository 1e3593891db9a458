import { layout } from "../layout.ts"

/** The legacy part of extended state. Header: arch/x86/include/asm/fpu/types.h struct fxregs_state */
export const fxregs = layout("struct fxregs_state", "arch/x86/include/asm/fpu/types.h", 512, {
  cwd: [0, "u16"],
  swd: [2, "u16"],
  twd: [4, "u16"],
  fop: [6, "u16"],
  rip: [8, "u64"],
  rdp: [16, "u64"],
  mxcsr: [24, "u32"],
  mxcsr_mask: [28, "u32"],
})
/** Bytes and places inside the legacy part. */
export const FXREGS = { stAt: 32, stWords: 32, xmmAt: 160, xmmWords: 64 } as const
/** Offset of the header: xstate_bv first. */
export const XSTATE_HEADER = 512
export const XSTATE_EXTENDED = 576

/** Component numbers. Header: arch/x86/include/asm/fpu/types.h enum xfeature */
export const XFEATURE = { FP: 0, SSE: 1, YMM: 2, BNDREGS: 3, BNDCSR: 4, OPMASK: 5, ZMM_HI256: 6, HI16_ZMM: 7, PKRU: 9 } as const
/** Data of AMX tiles: the one component that a process has to ask for before it may use it. Header: arch/x86/include/asm/fpu/types.h */
export const XFEATURE_XTILE_DATA = 18

/** True for the state of a thread that is computing with AMX tiles. @param xstate in the standard layout, header included */
export const usesTiles = (xstate: Uint8Array): boolean =>
  ((xstate[XSTATE_HEADER + (XFEATURE_XTILE_DATA >> 3)] ?? 0) & (1 << (XFEATURE_XTILE_DATA & 7))) !== 0

/** Where a component stands in the standard layout: bytes. */
export interface Component {
  readonly offset: number
  readonly size: number
}
