import type { Range } from "../base/units.ts"

/** A section as memory describes it. The end is exclusive. */
export interface DescribedSection {
  /** Address of its struct rseq_cs. */
  readonly descriptor: bigint
  readonly startIp: bigint
  readonly endIp: bigint
  readonly abortIp: bigint
}

/** Bytes of struct rseq_cs, and in which steps one is looked for: the kernel takes it anywhere, compilers align 64-bit words. */
export const DESCRIPTOR = 32
const STEP = 8
/** 32-bit words of version and flags, start_ip, post_commit_offset and abort_ip. */
const [VERSION, START, LENGTH, ABORT] = [0, 2, 4, 6] as const

/**
 * What looks like descriptors of sections of some code. What stands in front of abort_ip is not looked at.
 *
 * @param bytes memory whose beginning is aligned   @param at its address
 * @param code where the sections and their abort handlers lie
 */
export function describedSections(bytes: Uint8Array, at: bigint, code: Range): DescribedSection[] {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
  // User addresses are whole numbers that fit: there may be millions of words.
  const value = (index: number): number => (words[index] ?? 0) + (words[index + 1] ?? 0) * 2 ** 32
  const [first, last] = [Number(code.start), Number(code.end)]
  const isCode = (address: number): boolean => address >= first && address < last
  const found: DescribedSection[] = []
  for (let index = 0; index + DESCRIPTOR / 4 <= words.length; index += STEP / 4) {
    if (words[index + VERSION] !== 0) continue
    const [start, length, abort] = [value(index + START), value(index + LENGTH), value(index + ABORT)]
    const end = start + length
    if (!isCode(start) || !isCode(abort) || length === 0 || end > last || (abort >= start && abort < end)) continue
    found.push({ descriptor: at + BigInt(4 * index), startIp: BigInt(start), endIp: BigInt(end), abortIp: BigInt(abort) })
  }
  return found
}
