import { MADV, MAP, PROT } from "../../../ffi/abi/mman.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import { type MappingDetail, readSmaps } from "../../proc/smaps.ts"

/** How this kernel has guards in shared memory: not at all (before Linux 6.15), or with, or without, a flag in smaps. */
type SharedGuards = "none" | "flagged" | "silent"

/** In VmFlags: guards were put into the area. Kernel: fs/proc/task_mmu.c show_smap_vma_flags() */
const FLAG = "gu"

let known: SharedGuards | undefined

/** Tries it once, with a page of our own. */
function sharedGuards(): SharedGuards {
  const page = attempt("mmap", 0, PAGE_SIZE, PROT.READ, MAP.SHARED | MAP.ANONYMOUS, -1, 0)
  if (isFailure(page)) return "silent"
  try {
    if (isFailure(attempt("madvise", page, PAGE_SIZE, MADV.GUARD_INSTALL))) return "none"
    const own = readSmaps(process.pid).find(({ start }) => start === BigInt(page))
    return own?.vmFlags.has(FLAG) ? "flagged" : "silent"
  } finally {
    attempt("munmap", page, PAGE_SIZE)
  }
}

/** Bytes of an area that is looked through sooner than this kernel is asked. */
const SMALL = 16n << 20n

/**
 * Whether guards must be looked for in an area none of whose pages are wanted. Where the kernel says of no area that it has some, in all:
 * that takes 5 to 10 ms for each GiB in memory.
 */
export function mayHaveGuards({ start, end, vmFlags }: MappingDetail): boolean {
  if (vmFlags.has(FLAG) || end - start < SMALL) return true
  known ??= sharedGuards()
  return known === "silent"
}
