import { AT, HUGETLBFS_MAGIC, STATX_BASIC_STATS, statfsStruct, statxDetails } from "../../../ffi/abi/file.ts"
import { readSync } from "../../../ffi/fs.ts"
import { decode } from "../../../ffi/layout.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { PE } from "../../../proto/values.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import type { PageRange } from "./pages.ts"

const memory = allocate(4096)
const EMPTY = 2048 // stays zero: the empty path

/** Bytes of a page of an open file of hugetlbfs; undefined for every other file. @throws SyscallError */
export function hugePageSize(fd: number): bigint | undefined {
  syscall("fstatfs", fd, memory.address)
  const { f_type, f_bsize } = decode(statfsStruct, memory.bytes)
  return f_type === BigInt(HUGETLBFS_MAGIC) ? f_bsize : undefined
}

/** Bytes of memory that an open file has. */
function roomOf(fd: number): number {
  syscall("statx", fd, memory.address + EMPTY, AT.EMPTY_PATH, STATX_BASIC_STATS, memory.address)
  return Number(decode(statxDetails, memory.bytes).stx_blocks) * 512
}

const CHUNK = 1 << 20
const [found, zeros] = [allocate(CHUNK), allocate(CHUNK)]

/** Whether a page holds anything but zeros: its first 4 KiB tell it of most. */
function holdsData(fd: number, start: number, end: number): boolean {
  for (let at = start, part = PAGE_SIZE; at < end; part = CHUNK) {
    const got = readSync(fd, found.bytes, 0, Math.min(part, end - at), at)
    if (got === 0) return false
    if (Buffer.compare(found.bytes.subarray(0, got), zeros.bytes.subarray(0, got)) !== 0) return true
    at += got
  }
  return false
}

/**
 * The pages of a file of hugetlbfs that are to be stored. lseek(2) knows no holes there, but how many pages a file has is told, and reading
 * what is absent makes no page. So all are stored of a file that has all of its pages, of another one those that hold anything but zeros.
 *
 * @param size bytes   @param pageSize bytes
 * @throws SyscallError, FileError. Kernel: fs/hugetlbfs/inode.c hugetlbfs_read_iter(), mm/hugetlb.c hugetlb_add_to_page_cache()
 */
export function hugeRanges(fd: number, size: number, pageSize: bigint): PageRange[] {
  const whole = Number(pageSize)
  let left = Math.ceil(roomOf(fd) / whole)
  const isFull = left * whole >= size
  const ranges: { start: bigint; end: bigint; flags: number }[] = []
  for (let at = 0; at < size && left > 0; at += whole) {
    if (!isFull && !holdsData(fd, at, Math.min(at + whole, size))) continue
    left--
    const last = ranges.at(-1)
    if (last?.end === BigInt(at)) last.end += pageSize
    else ranges.push({ start: BigInt(at), end: BigInt(at) + pageSize, flags: PE.PRESENT })
  }
  return ranges
}
