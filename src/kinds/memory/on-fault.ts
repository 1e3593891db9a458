import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import { readSmaps } from "../../proc/smaps.ts"

const MLOCK_ONFAULT = 1
/** Letters of VM_LOCKONFAULT, and of every flag that a kernel has no letters for. */
const [LETTERS, UNNAMED] = ["lf", "??"] as const

/** What this kernel prints for it: found out when the first locked area is met. */
let printed: string | undefined

/**
 * Whether an area is locked as its pages are touched (mlock2(2) with MLOCK_ONFAULT). Kernels up to 6.1 at least have no letters for it.
 *
 * @param vmFlags of smaps. Kernel: fs/proc/task_mmu.c show_smap_vma_flags()
 */
export function isLockedOnFault(vmFlags: ReadonlySet<string>): boolean {
  if (!vmFlags.has("lo")) return false
  printed ??= tryOut()
  return vmFlags.has(printed)
}

function tryOut(): string {
  const page = attempt("mmap", 0, PAGE_SIZE, PROT.READ, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0)
  if (isFailure(page)) return LETTERS
  try {
    if (attempt("mlock2", page, PAGE_SIZE, MLOCK_ONFAULT) !== 0) return LETTERS
    const own = readSmaps(process.pid).find(({ start }) => start === BigInt(page))
    return own?.vmFlags.has(UNNAMED) && !own.vmFlags.has(LETTERS) ? UNNAMED : LETTERS
  } finally {
    attempt("munmap", page, PAGE_SIZE)
  }
}
