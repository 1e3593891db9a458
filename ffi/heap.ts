import { MADV } from "./abi/mman.ts"
import { addressOf } from "./kernel.ts"
import { attempt } from "./syscall.ts"

const MIB = 2 ** 20
/** A huge page of x86-64, bytes. */
const HUGE_PAGE = 2 * MIB
/** What one arena of this program's malloc reserves at once, bytes. */
const ARENA = 1024 * MIB

/**
 * Asks for huge pages in this program's own heap, which a command fills with some 30 MiB before it ends.
 *
 * Why: every touch of a new page is a trap into the kernel, and behind a hypervisor into that as well. Measured in a guest with shadow page
 * tables: 15 µs for 4 KiB, 150 to 360 µs for 2 MiB, which was a third of the time that a small tree stands still. Where the kernel has no
 * huge page to give, it gives small ones. Places around the arena are advised too, or are not mapped: neither matters.
 *
 * Man page: madvise(2), MADV_HUGEPAGE: since Linux 2.6.38; EINVAL of a kernel without them is no failure.
 */
export function useHugePages(): void {
  const inside = addressOf(new Uint8Array(1))
  const from = Math.floor(inside / HUGE_PAGE) * HUGE_PAGE
  attempt("madvise", Math.max(0, from - ARENA), 2 * ARENA, MADV.HUGEPAGE)
}
