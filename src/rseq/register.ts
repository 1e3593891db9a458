import { PROT } from "../../ffi/abi/mman.ts"
import { RSEQ_CS_FLAG_KERNEL, RSEQ_ORIGINAL_SIZE } from "../../ffi/abi/rseq.ts"
import type { Range, RemoteAddress } from "../base/units.ts"
import { mappingAt } from "../elf/module.ts"
import { readMemory, writeMemory, writeWord } from "../tracee/memory.ts"
import type { Program, Result } from "../tracee/program.ts"
import { memberAddress } from "./area.ts"
import { describeRegistration } from "./discover.ts"
import type { SavedRseq } from "./image.ts"

/** What lengths a kernel takes: from its auxiliary vector; both undefined before Linux 6.3. */
export interface KernelRseq {
  /** AT_RSEQ_FEATURE_SIZE, bytes. */
  readonly featureSize: number | undefined
  /** AT_RSEQ_ALIGN, bytes. */
  readonly align: number | undefined
}

/** The length to register with, and what people must know of it; or why none is possible. */
type LengthChoice = { readonly size: number; readonly warning: string | undefined } | { readonly refused: string }

/**
 * Chooses the length of a registration: the saved one where this kernel takes it, else 32 where it can stand in.
 *
 * Kernel: SYSCALL_DEFINE4(rseq). 32 wants 32-byte alignment; any other length at least the feature size and the kernel's alignment.
 * @param strict take no other length than the saved one
 */
export function chooseLength({ abiPointer, abiSize }: SavedRseq, { featureSize, align }: KernelRseq, strict: boolean): LengthChoice {
  const aligned = (to: number): boolean => abiPointer % BigInt(to) === 0n
  const original = aligned(RSEQ_ORIGINAL_SIZE)
  if (abiSize === RSEQ_ORIGINAL_SIZE)
    return original ? { size: abiSize, warning: undefined } : { refused: "its area is not aligned to 32 bytes" }
  const why = refusal(abiSize, aligned, featureSize, align)
  if (!why) return { size: abiSize, warning: undefined }
  if (abiSize < RSEQ_ORIGINAL_SIZE || !original) return { refused: why }
  if (strict) return { refused: `${why}, and --strict forbids 32 bytes instead of ${abiSize}` }
  return { size: RSEQ_ORIGINAL_SIZE, warning: `${why}: registered with 32 bytes instead of ${abiSize}` }
}

/**
 * What is wrong with where a saved area lies; undefined = nothing. The kernel writes there at once.
 *
 * @param areas of its process, ascending
 */
export function faultOfPlace({ abiPointer }: SavedRseq, areas: readonly (Range & { readonly prot: number })[]): string | undefined {
  const isWritable = (address: bigint): boolean => ((mappingAt(areas, address)?.prot ?? 0) & PROT.WRITE) !== 0
  return isWritable(abiPointer) && isWritable(abiPointer + BigInt(RSEQ_ORIGINAL_SIZE - 1))
    ? undefined
    : "its area lies in no memory that it may write to"
}

function refusal(
  size: number,
  aligned: (to: number) => boolean,
  featureSize: number | undefined,
  align: number | undefined,
): string | undefined {
  if (featureSize === undefined || align === undefined) return "this kernel takes registrations of 32 bytes only"
  if (size < RSEQ_ORIGINAL_SIZE || size < featureSize)
    return `this kernel takes no registration shorter than ${Math.max(featureSize, RSEQ_ORIGINAL_SIZE)} bytes`
  if (!aligned(align)) return `this kernel wants the area aligned to ${align} bytes`
}

/**
 * Appends the registration to a thread's own restore program, as its last call.
 *
 * Fails as the rseq system call does; the error names the thread (by the runner), pointer, length and signature.
 * Precondition: memory is in place and rseq_cs is 0 there (see `clearArea`): up to Linux 6.13 another value can kill the thread.
 *
 * @param size from `chooseLength`
 */
export function appendRegistration(program: Program, saved: SavedRseq, size: number): Result {
  const about = `the rseq registration at ${describeRegistration({ ...saved, abiSize: size })}`
  return program.callWith({ about }, "rseq", saved.abiPointer, size, 0, saved.signature)
}

/**
 * Makes an area ready to be registered: no section, and none of the bits that a newer kernel had written into its flags. Kernels before 7.0
 * leave the flags alone at a registration, and those from 6.1 to 6.18 kill a thread that they meet inside a section with any of them.
 *
 * Kernel: kernel/rseq.c rseq_need_restart(), rseq_warn_flags().
 * @param abiPointer address of struct rseq
 * @throws SyscallError EFAULT · ESRCH
 */
export function clearArea(pid: number, abiPointer: RemoteAddress): void {
  pokeRseqCs(pid, abiPointer, 0n)
  const at = memberAddress(abiPointer, "flags")
  const found = readMemory(pid, at, 4)
  const flags = new DataView(found.buffer, found.byteOffset).getUint32(0, true)
  const { SLICE_EXT_AVAILABLE, SLICE_EXT_ENABLED } = RSEQ_CS_FLAG_KERNEL
  const kept = flags & ~(SLICE_EXT_AVAILABLE | SLICE_EXT_ENABLED)
  if (kept === flags) return
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, kept, true)
  writeMemory(pid, at, bytes)
}

/**
 * Writes rseq_cs from outside: 0 before a registration; the saved section after the thread's very last system call, with its final
 * registers set, right before it is let go.
 *
 * @param abiPointer address of struct rseq   @throws SyscallError EFAULT · ESRCH
 */
export function pokeRseqCs(pid: number, abiPointer: RemoteAddress, value: bigint): void {
  writeWord(pid, memberAddress(abiPointer, "rseq_cs"), value)
}
