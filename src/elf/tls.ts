import { EM_AARCH64, EM_X86_64, PT_TLS } from "./constants.ts"
import type { Elf, Segment } from "./open.ts"

/** The TLS segment: what each thread gets a copy of; null when the file has no thread-local variables. */
export const tlsSegment = ({ segments }: Elf): Segment | null => segments.find(({ type }) => type === PT_TLS) ?? null

/** Bytes from the thread pointer to the start of the executable's TLS block, per machine. */
const EXECUTABLE_BLOCK: Readonly<Record<number, (tls: Segment) => bigint>> = {
  // Variant II: the block ends at the thread pointer, and starts as misaligned as its address in the file.
  [EM_X86_64]: ({ vaddr, memorySize, align }) => -memorySize - modulo(-vaddr - memorySize, align),
  // Variant I: the block follows two words of the thread control block.
  [EM_AARCH64]: ({ vaddr, align }) => 16n + modulo(vaddr - 16n, align),
}

/**
 * Offset of a TLS symbol of the **executable** from the thread pointer (fs_base, tpidr_el0), negative on x86-64; null = no TLS
 * segment, or an unknown machine. Blocks of libraries lie where the loader put them: no file tells.
 *
 * @param value `value` of a symbol from `findTlsSymbol`
 * Authority: U. Drepper, ELF Handling For Thread-Local Storage, chapters 3 and 4; as ld.bfd and ld.lld resolve TPOFF relocations.
 */
export function executableTlsOffset(elf: Elf, value: bigint): bigint | null {
  const tls = tlsSegment(elf)
  const block = EXECUTABLE_BLOCK[elf.machine]
  return tls && block ? block(tls) + value : null
}

const modulo = (value: bigint, align: bigint): bigint => (align <= 1n ? 0n : ((value % align) + align) % align)
