import type { Mapping } from "../../proc/maps.ts"

/** Name under which the kernel shows shared anonymous memory, and CRIU's images know it. */
export const ANONYMOUS = "/dev/zero"
/**
 * How it shows such memory that the program has given a name of its own. Man page: PR_SET_VMA(2const). Kernel: fs/proc/task_mmu.c
 * get_vma_name()
 */
const NAMED = "[anon_shmem:"

/** Whether a mapping is shared anonymous memory of ordinary pages. */
export const isSharedAnonymous = ({ path, deleted }: Pick<Mapping, "path" | "deleted">): boolean =>
  (path === ANONYMOUS && deleted) || path.startsWith(NAMED)

/** Whether a mapping is of memory on the kernel's own mount of shmem: shared anonymous, or of a memfd. System V segments are not meant. */
export const isShmem = (mapping: Pick<Mapping, "path" | "deleted">): boolean =>
  isSharedAnonymous(mapping) || mapping.path.startsWith("/memfd:")
