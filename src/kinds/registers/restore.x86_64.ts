import { type Registers, USER_CS } from "../../../ffi/abi/registers.x86_64.ts"
import { FXREGS, fxregs, XFEATURE, XSTATE_EXTENDED, XSTATE_HEADER } from "../../../ffi/abi/xsave.x86_64.ts"
import { xstateComponent, xstateSize } from "../../../ffi/cpu.x86_64.ts"
import { decode, encodeInto } from "../../../ffi/layout.ts"
import type { user_x86_fpregs_entry, user_x86_regs_entry } from "../../../proto/gen/core-x86_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import { NO_SYSCALL } from "../../tracee/arch.x86_64.ts"
import { XSAVE_FIELDS } from "./collect.x86_64.ts"

/** USER_DS as the stack segment of a 64-bit task. Header: arch/x86/include/asm/segment.h */
const USER_DS = 0x2bn

/**
 * A register entry -> registers to set. Mirror: ./collect.x86_64.ts. The restart of an interrupted call is already in ax and ip.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED a task in 32-bit mode
 */
export function restoreRegisters({ mode, ...entry }: user_x86_regs_entry, tid: number): Registers {
  if (mode !== undefined && mode !== 1)
    throw new CheckpointError("E_IMAGE_UNSUPPORTED", `Cannot restore thread ${tid}`, "it ran 32-bit code", "Restore it with CRIU")
  return { ...entry, orig_ax: NO_SYSCALL, cs: USER_CS, ss: USER_DS }
}

/**
 * An FPU entry -> XSAVE bytes to set. Mirror: ./collect.x86_64.ts
 *
 * @param template XSAVE bytes of a task on this machine: their size and the reserved parts are kept
 * @throws CheckpointError E_IMAGE_UNSUPPORTED the state needs a component that this CPU lacks · E_IMAGE_CORRUPT a wrong length
 */
export function restoreFpu(entry: user_x86_fpregs_entry, template: Uint8Array, tid: number): Uint8Array {
  const bytes = new Uint8Array(template.length)
  bytes.set(template.subarray(464, 512), 464) // software-reserved: written by the kernel
  const view = new DataView(bytes.buffer)
  const { cwd, swd, twd, fop, rip, rdp, mxcsr, mxcsr_mask, xsave } = entry
  encodeInto(fxregs, bytes, { cwd, swd, twd, fop, rip, rdp, mxcsr, mxcsr_mask })
  const corrupt = (field: string, found: number, wanted: number): CheckpointError =>
    damagedImage(`Cannot restore the FPU of thread ${tid}`, `${field} has ${found} words instead of ${wanted}`)
  const { st_space, xmm_space } = entry
  if (st_space.length !== FXREGS.stWords) throw corrupt("st_space", st_space.length, FXREGS.stWords)
  if (xmm_space.length !== FXREGS.xmmWords) throw corrupt("xmm_space", xmm_space.length, FXREGS.xmmWords)
  new Uint32Array(bytes.buffer, FXREGS.stAt, FXREGS.stWords).set(st_space)
  new Uint32Array(bytes.buffer, FXREGS.xmmAt, FXREGS.xmmWords).set(xmm_space)
  let inUse = (1n << BigInt(XFEATURE.FP)) | (1n << BigInt(XFEATURE.SSE))
  for (const [field, feature, width] of XSAVE_FIELDS) {
    const values: readonly (number | bigint)[] = xsave?.[field] ?? []
    const wanted = ((xsave?.xstate_bv ?? 0n) >> BigInt(feature)) & 1n
    if (!wanted) continue
    const component = xstateComponent(feature)
    if (!component || component.offset + component.size > bytes.length)
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        `Cannot restore the FPU of thread ${tid}`,
        `its state uses ${field}, which this CPU lacks`,
        "Restore on a CPU with the same vector extensions",
      )
    if (values.length !== component.size / width) throw corrupt(field, values.length, component.size / width)
    if (width === 4) new Uint32Array(bytes.buffer, component.offset, values.length).set(values.map(Number))
    else new BigUint64Array(bytes.buffer, component.offset, values.length).set(values.map(BigInt))
    inUse |= 1n << BigInt(feature)
  }
  view.setBigUint64(XSTATE_HEADER, inUse, true)
  return bytes
}

/** Bits of MXCSR that some CPU has; the kernel takes no state with others. Intel SDM, volume 1, 10.2.3; AMD has MM beside them. */
const MXCSR_BITS = 0x2ffff

function checkMxcsr(mxcsr: number, tid: number): void {
  if ((mxcsr & ~MXCSR_BITS) === 0) return
  const found = `mxcsr is ${hex(mxcsr)}, which has bits that no CPU has`
  throw damagedImage(`Cannot restore the FPU of thread ${tid}`, found)
}

/**
 * Checks that the extended state of a thread can be set on this machine, without a thread.
 *
 * @param whole XSAVE bytes of our own extension, where there are any: they are set instead of the entry
 * @throws CheckpointError E_IMAGE_UNSUPPORTED a component that this CPU lacks · E_IMAGE_CORRUPT
 */
export function checkFpu(entry: user_x86_fpregs_entry, whole: Uint8Array | undefined, tid: number): void {
  if (!whole) {
    checkMxcsr(entry.mxcsr, tid)
    restoreFpu(entry, new Uint8Array(xstateSize()), tid)
    return
  }
  const action = `Cannot restore the FPU of thread ${tid}`
  if (whole.length < XSTATE_EXTENDED) throw damagedImage(action, `its extended state has ${whole.length} bytes only`)
  const view = new DataView(whole.buffer, whole.byteOffset)
  checkMxcsr(decode(fxregs, whole).mxcsr, tid)
  const inUse = view.getBigUint64(XSTATE_HEADER, true)
  for (let feature: number = XFEATURE.YMM; feature < 63; feature++)
    if ((inUse >> BigInt(feature)) & 1n && !xstateComponent(feature))
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        action,
        `its state uses xsave component ${feature}, which this CPU lacks`,
        "Restore on a CPU with the same vector extensions",
      )
}
