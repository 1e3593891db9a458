import { EM_X86_64, SHN_LORESERVE, STT_FUNC } from "./constants.ts"
import { type Elf, openElf } from "./open.ts"
import { bytesSource } from "./source.ts"
import { definedSymbols, symbolTables } from "./symbols.ts"

/** Code that is laid over a function of an old vdso. */
interface VdsoPatch {
  /** Bytes from the start of the old vdso. */
  readonly offset: number
  readonly code: Uint8Array
}

/** Where calls into an old vdso can go. */
export interface VdsoTarget {
  /** The vdso of the running kernel; undefined where it has none. */
  readonly bytes: Uint8Array | undefined
  /** Where it stands in the process. */
  readonly address: bigint
  /** Number of the system call that does what a function does, for functions that the running kernel's vdso lacks. */
  readonly numberOf: (call: VdsoCall) => number
}

/** Functions of vdsos that a system call of the same name can stand in for: same arguments, same answers. Kernel: arch/x86/entry/vdso/ */
const CALLS = ["clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres", "getrandom"] as const
type VdsoCall = (typeof CALLS)[number]

/**
 * Functions that need no data of the kernel's, so that their old code goes on doing its work: enclaves, whose device memory no dump takes,
 * and the release of robust futexes, which Linux 7.2 brought. Kernel: arch/x86/entry/vdso/common/vfutex.c
 */
const SELF_CONTAINED: readonly string[] = ["sgx_enter_enclave", "futex_robust_list64_try_unlock", "futex_robust_list32_try_unlock"]

/** jmp *0(%rip), and behind it the address. */
const JUMP = [0xff, 0x25, 0, 0, 0, 0] as const
const JUMP_SIZE = JUMP.length + 8

function jumpTo(address: bigint): Uint8Array {
  const code = new Uint8Array(JUMP_SIZE)
  code.set(JUMP)
  new DataView(code.buffer).setBigUint64(JUMP.length, address, true)
  return code
}

/**
 * mov $number, %eax; syscall; ret: a function that makes the call with the arguments it was given, which stand where the kernel wants the
 * first three.
 */
function makeCall(number: number): Uint8Array {
  const code = Uint8Array.from([0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3])
  new DataView(code.buffer).setUint32(1, number, true)
  return code
}

/** "clock_gettime" of "__vdso_clock_gettime". */
const plain = (name: string): string => name.replace(/^__vdso_/, "")

/** Offsets of a vdso's functions in its bytes, by their plain names. */
function functionsOf(elf: Elf): Map<string, number> {
  const found = new Map<string, number>()
  for (const { name, value, type, section } of definedSymbols(symbolTables(elf).dynamic)) {
    const offset = type === STT_FUNC && section < SHN_LORESERVE ? elf.offsetOf(value) : null
    if (offset !== null) found.set(plain(name), Number(offset))
  }
  return found
}

const isCall = (name: string): name is VdsoCall => (CALLS as readonly string[]).includes(name)

const opened = (bytes: Uint8Array): Elf | undefined => {
  const elf = openElf(bytesSource(bytes))
  return elf?.machine === EM_X86_64 ? elf : undefined
}

/**
 * Code that makes each function of a vdso of another kernel go to that of the running one by its name, or to its system call. A C library
 * keeps the addresses of these functions for the life of a program.
 *
 * @param old the whole vdso of the dump
 * @returns why it cannot be done: no 64-bit x86 vdso, a function that nothing can stand in for, or one too short for the jump
 */
export function redirectVdso(old: Uint8Array, { bytes, address, numberOf }: VdsoTarget): VdsoPatch[] | string {
  const elf = opened(old)
  if (!elf) return "its bytes are no vdso of x86-64"
  const functions = functionsOf(elf)
  const current = bytes && opened(bytes)
  const targets = current ? functionsOf(current) : new Map<string, number>()
  const starts = [...new Set(functions.values()), old.length].sort((a, b) => a - b)
  const patches: VdsoPatch[] = []
  for (const [name, offset] of functions) {
    const target = targets.get(name)
    if (target === undefined && SELF_CONTAINED.includes(name)) continue
    if (target === undefined && !isCall(name)) return `it has a function "${name}" that this kernel lacks`
    const code = target !== undefined ? jumpTo(address + BigInt(target)) : makeCall(numberOf(name as VdsoCall))
    if ((starts.find((start) => start > offset) ?? 0) < offset + code.length) return `its function "${name}" is too short for a jump`
    patches.push({ offset, code })
  }
  return patches
}
