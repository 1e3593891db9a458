import { AUDIT_ARCH_X86_64, SECCOMP_RET, SECCOMP_RET_ACTION_FULL, seccompData, sockFilter } from "../../../ffi/abi/seccomp.ts"
import { encodeInto } from "../../../ffi/layout.ts"

/** One system call as a filter sees it. */
interface FilteredCall {
  readonly nr: number
  /** Up to six; what is missing is 0. */
  readonly args?: readonly bigint[]
}

const ARGUMENTS = seccompData.fields.args[0]
const SCRATCH_WORDS = 16

function viewOf({ nr, args = [] }: FilteredCall): DataView {
  const data = new Uint8Array(seccompData.size)
  encodeInto(seccompData, data, { nr, arch: AUDIT_ARCH_X86_64 })
  const view = new DataView(data.buffer)
  for (const [index, value] of args.slice(0, 6).entries()) view.setBigUint64(ARGUMENTS + 8 * index, BigInt.asUintN(64, value), true)
  return view
}

/** The classes of an instruction, bits 0-2 of its code. Header: include/uapi/linux/bpf_common.h */
const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, RET: 6 } as const
const MODE = { IMM: 0x00, ABS: 0x20, MEM: 0x60, LEN: 0x80 } as const

/** Arithmetic by bits 4-7 of the code; undefined = division by zero, for which the kernel answers 0. */
const ALU: Readonly<Record<number, (a: number, b: number) => number | undefined>> = {
  0: (a, b) => a + b,
  16: (a, b) => a - b,
  32: (a, b) => Math.imul(a, b),
  48: (a, b) => (b === 0 ? undefined : Math.trunc(a / b)),
  64: (a, b) => a | b,
  80: (a, b) => a & b,
  96: (a, b) => (b > 31 ? 0 : a << b),
  112: (a, b) => (b > 31 ? 0 : a >>> b),
  128: (a) => -a,
  160: (a, b) => a ^ b,
}
/** Conditions by bits 4-7 of the code. */
const JUMP: Readonly<Record<number, (a: number, b: number) => boolean>> = {
  16: (a, b) => a === b,
  32: (a, b) => a > b,
  48: (a, b) => a >= b,
  64: (a, b) => (a & b) !== 0,
}

/**
 * What one filter answers to a call, action and data.
 *
 * @param filter struct sock_filter array as PTRACE_SECCOMP_GET_FILTER gives it: the kernel has checked it
 * @throws Error an instruction that no kernel lets into a filter. Kernel: kernel/seccomp.c seccomp_check_filter(), net/core/filter.c
 */
export function runFilter(filter: Uint8Array, call: FilteredCall): number {
  const program = new DataView(filter.buffer, filter.byteOffset, filter.byteLength)
  const count = filter.length / sockFilter.size
  const data = viewOf(call)
  const scratch = new Uint32Array(SCRATCH_WORDS)
  let a = 0
  let x = 0
  for (let at = 0; at < count; at++) {
    const code = program.getUint16(at * 8, true)
    const k = program.getUint32(at * 8 + 4, true)
    const operand = code & 0x08 ? x : k
    const operation = code & 0xf0
    switch (code & 7) {
      case CLASS.LD:
      case CLASS.LDX: {
        const mode = code & 0xe0
        const value =
          mode === MODE.IMM ? k : mode === MODE.ABS ? data.getUint32(k, true) : mode === MODE.LEN ? data.byteLength : (scratch[k] ?? 0)
        if ((code & 7) === CLASS.LD) a = value
        else x = value
        break
      }
      case CLASS.ST:
        scratch[k] = a
        break
      case CLASS.STX:
        scratch[k] = x
        break
      case CLASS.ALU: {
        const result = ALU[operation]?.(a, operand)
        if (result === undefined) return SECCOMP_RET.KILL_THREAD
        a = result >>> 0
        break
      }
      case CLASS.JMP:
        if (operation === 0) at += k
        else at += program.getUint8(at * 8 + (JUMP[operation]?.(a, operand) ? 2 : 3))
        break
      case CLASS.RET:
        return (code & 0x18) === 0x10 ? a : k
      default: // MISC: the two registers
        if (code & 0x80) a = x
        else x = a
    }
  }
  throw new Error("Unreachable: a seccomp filter without an answer")
}

/** The action of a chain: of all filters the lowest, as the kernel compares them. Kernel: kernel/seccomp.c seccomp_run_filters() */
export const chainAction = (filters: readonly Uint8Array[], call: FilteredCall): number =>
  filters.reduce<number>((lowest, filter) => {
    const action = runFilter(filter, call) & SECCOMP_RET_ACTION_FULL
    return action < lowest ? action : lowest
  }, SECCOMP_RET.ALLOW) >>> 0

/** True when a chain lets a call through as if it were not there. */
export function letsThrough(filters: readonly Uint8Array[], call: FilteredCall): boolean {
  const action = chainAction(filters, call)
  return action === SECCOMP_RET.ALLOW || action === SECCOMP_RET.LOG
}

/** True when a filter may hand calls to a listener (SECCOMP_RET_USER_NOTIF); computed answers count when any constant is that action. */
export function mayNotify(filter: Uint8Array): boolean {
  const program = new DataView(filter.buffer, filter.byteOffset, filter.byteLength)
  const codes = Array.from({ length: filter.length / 8 }, (_, at) => ({
    code: program.getUint16(at * 8, true),
    action: (program.getUint32(at * 8 + 4, true) & SECCOMP_RET_ACTION_FULL) >>> 0,
  }))
  const computes = codes.some(({ code }) => (code & 7) === CLASS.RET && (code & 0x18) === 0x10)
  return codes.some(({ code, action }) => {
    if (action !== SECCOMP_RET.USER_NOTIF) return false
    if ((code & 7) === CLASS.RET) return (code & 0x18) === 0
    return computes && ((code & 7) === CLASS.ALU || ((code & 7) <= CLASS.LDX && (code & 0xe0) === MODE.IMM))
  })
}
