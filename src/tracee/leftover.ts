import { PAGE_SIZE, remoteAddress } from "../base/units.ts"
import { stubCode } from "./arch.x86_64.ts"
import { readMemoryIfMapped } from "./memory.ts"

/** Where in the code page the area's size stands, for a later run that finds the area of one that was killed. */
const SIZE_AT = PAGE_SIZE - 8

/** The first page of an area: the interpreter, and at its end the bytes of the whole area. */
export function codePage(size: number): Uint8Array {
  const page = new Uint8Array(PAGE_SIZE)
  page.set(stubCode)
  new DataView(page.buffer).setBigUint64(SIZE_AT, BigInt(size), true)
  return page
}

/**
 * Areas that a killed run of stasis left in a process.
 *
 * @param candidates executable anonymous mappings of a page or more
 */
export function findLeftovers(pid: number, candidates: readonly { readonly start: bigint }[]): { start: bigint; end: bigint }[] {
  return candidates.flatMap(({ start }) => {
    const page = readMemoryIfMapped(pid, remoteAddress(start), PAGE_SIZE)
    if (!page || !stubCode.equals(page.subarray(0, stubCode.length))) return []
    return [{ start, end: start + new DataView(page.buffer).getBigUint64(SIZE_AT, true) }]
  })
}
