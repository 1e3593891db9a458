import type { Mapping } from "../../../proc/maps.ts"

/** Name of the file that the kernel makes for each mapping of MAP_ANONYMOUS | MAP_HUGETLB. Kernel: mm/mmap.c ksys_mmap_pgoff() */
export const HUGE_ANONYMOUS = "/anon_hugepage"

/** Whether a mapping is anonymous memory of huge pages, private or shared. */
export const isHugeAnonymous = ({ path, deleted, devMajor }: Mapping): boolean => path === HUGE_ANONYMOUS && deleted && devMajor === 0
