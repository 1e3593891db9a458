import { AT, F_SEAL_SEAL, MFD_ALLOW_SEALING, MFD_HUGETLB, O } from "../../../../ffi/abi/file.ts"
import { MAP, PROT } from "../../../../ffi/abi/mman.ts"
import type { memfd_inode_entry } from "../../../../proto/gen/memfd_pb.ts"
import { type CheckpointError, damagedImage } from "../../../base/errors.ts"
import { mapLink } from "../../../proc/maps.ts"
import type { Program, Result } from "../../../tracee/program.ts"
import { namedSize, sizeBits } from "../huge-size.ts"
import { restoreOwner } from "../owner.ts"
import { type Fill, type PagesToRead, restorePages } from "../restore.ts"
import { HUGE_ANONYMOUS } from "./mapping.ts"

/** True for a segment of huge pages. */
export const isHugeSegment = ({ hugetlb_flag = 0 }: Pick<memfd_inode_entry, "hugetlb_flag">): boolean => (hugetlb_flag & MFD_HUGETLB) !== 0

/** Name of the memfd that stands for anonymous memory where that cannot be opened. */
const STAND_IN = "anon_hugepage"

/** @throws CheckpointError E_IMAGE_CORRUPT a part of a page, or pages behind the end */
function checkSegment({ inode_id, size, hugetlb_flag = 0 }: memfd_inode_entry, fills: readonly Fill[]): void {
  const bad = (found: string): CheckpointError => damagedImage(`Cannot restore shared memory ${inode_id}`, found)
  if (size % namedSize(hugetlb_flag) !== 0n) throw bad(`it has ${size} bytes, which is no multiple of its pages`)
  for (const { start, length } of fills)
    if (start + length > size) throw bad(`it has pages up to ${start + length}, beyond its ${size} bytes`)
}

/** How shared memory is made. */
export interface Making {
  /** Where nothing else is or will be, large enough for it; for huge pages at a multiple of their size. */
  readonly hole: bigint
  /** No memory was reserved for it (MAP_NORESERVE): it may be larger than this machine could promise. Kernel: mm/shmem.c */
  readonly unreserved?: boolean
  /** Links to mappings may be opened, which is so unless it says false; else a memfd stands for memory without a name. */
  readonly mayFollow?: boolean
}

/**
 * Appends the making of a segment of huge pages; the result is its descriptor. Mirror: collectSharedMemory of ../shared.ts
 *
 * It is filled through a mapping, for nobody can write(2) to hugetlbfs. That mapping asks for no promise of pages: the areas that are
 * mapped later do, each as it did before. What was anonymous is opened through /proc/self/map_files, so that its mappings look as before.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT
 */
export function restoreHugeSegment(
  inode: memfd_inode_entry,
  { fd: pagesFd, fills }: PagesToRead,
  { hole, mayFollow = true }: Making,
  program: Program,
): Result {
  checkSegment(inode, fills)
  const { inode_id, name, size, seals, hugetlb_flag = 0 } = inode
  const about = `shared memory ${inode_id}`
  const pages = sizeBits(namedSize(hugetlb_flag))
  const way = MAP.SHARED | MAP.FIXED_NOREPLACE | MAP.NORESERVE
  const isMapped = name === HUGE_ANONYMOUS && size > 0n && mayFollow
  let fd: Result
  if (isMapped) {
    program.callWith({ about }, "mmap", hole, size, PROT.READ | PROT.WRITE, way | MAP.ANONYMOUS | MAP.HUGETLB | pages, -1, 0)
    const link = program.string(mapLink("self", { start: hole, end: hole + size }))
    fd = program.callWith({ about }, "openat", AT.FDCWD, link, O.RDWR)
  } else {
    const flags = MFD_HUGETLB | pages | (seals === F_SEAL_SEAL ? 0 : MFD_ALLOW_SEALING)
    fd = program.callWith({ about }, "memfd_create", program.string(name === HUGE_ANONYMOUS ? STAND_IN : name), flags)
    program.callWith({ about }, "ftruncate", fd, size)
    if (fills.length > 0) program.callWith({ about }, "mmap", hole, size, PROT.READ | PROT.WRITE, way, fd, 0)
  }
  restorePages(
    fills.map(({ start, ...rest }) => ({ ...rest, start: start + hole })),
    pagesFd,
    program,
  )
  if (isMapped || fills.length > 0) program.call("munmap", hole, size)
  restoreOwner(inode, fd, program)
  return fd
}
