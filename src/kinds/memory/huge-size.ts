import { MAP } from "../../../ffi/abi/mman.ts"
import { readFileSync } from "../../../ffi/fs.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { PAGE } from "../../base/units.ts"

/** Flags of an area that say which pages it has. */
export const HUGE_BITS = MAP.HUGETLB | (MAP.HUGE_MASK << MAP.HUGE_SHIFT)

/** The flags that name a page size, without MAP_HUGETLB. @param pageSize bytes. Man page: mmap(2), MAP_HUGE_2MB */
export const sizeBits = (pageSize: bigint | number): number => (Math.log2(Number(pageSize)) << MAP.HUGE_SHIFT) >>> 0

/** True for an area of hugetlbfs pages. */
export const isHuge = ({ flags }: Pick<vma_entry, "flags">): boolean => (flags & MAP.HUGETLB) !== 0

let usual: bigint | undefined
/** Size in bytes of the pages that are given to who names none: of the default pool, 2 MiB where the kernel does not tell. */
export function usualSize(): bigint {
  usual ??= BigInt(/^Hugepagesize:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "latin1"))?.[1] ?? 2048) * 1024n
  return usual
}

/** The page size that flags of mmap(2), memfd_create(2) or shmget(2) name, bytes. */
export function namedSize(flags: number): bigint {
  const bits = (flags >>> MAP.HUGE_SHIFT) & MAP.HUGE_MASK
  return bits ? 1n << BigInt(bits) : usualSize()
}

/** Bytes of a page of an area. */
export const pageSizeOf = (vma: Pick<vma_entry, "flags">): bigint => (isHuge(vma) ? namedSize(vma.flags) : PAGE)
