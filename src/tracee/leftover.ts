import { PAGE_SIZE, pageDown, type Range, remoteAddress } from "../base/units.ts"
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

/** The leftover area that starts at a page; undefined when there is none. */
function leftoverAt(pid: number, start: bigint): Range | undefined {
  const page = readMemoryIfMapped(pid, remoteAddress(start), PAGE_SIZE)
  if (!page || !stubCode.equals(page.subarray(0, stubCode.length))) return undefined
  return { start, end: start + new DataView(page.buffer).getBigUint64(SIZE_AT, true) }
}

/**
 * Areas that killed runs of stasis left in a process, as far as they can be told from the program's own code.
 *
 * @param candidates executable anonymous mappings; the kernel may have merged several areas into one
 */
export function findLeftovers(pid: number, candidates: readonly Range[]): Range[] {
  const found: Range[] = []
  for (const { start, end } of candidates) {
    for (let at = start; at < end; ) {
      const area = leftoverAt(pid, at)
      if (!area || area.end <= area.start) break
      found.push(area)
      at = area.end
    }
  }
  return found
}

/** True when an instruction pointer is in the code of a leftover area: it is never longer than its page. */
export const isInLeftover = (pid: number, ip: bigint): boolean => leftoverAt(pid, pageDown(ip)) !== undefined
