import { MAP, PM, PROT } from "../../../ffi/abi/mman.ts"
import { closeSync, openSync, readSync } from "../../../ffi/fs.ts"
import { attempt, isFailure, syscall } from "../../../ffi/syscall.ts"
import { PE } from "../../../proto/values.ts"
import { PAGE, PAGE_SIZE, remoteAddress } from "../../base/units.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import { peekMemory } from "../../tracee/memory.ts"
import type { PageRange } from "./pages.ts"

/** Files of mappings that may be copied up behind their back. */
export interface LowerFiles {
  /** A text that is another one afterwards; undefined for all other files. */
  stamp(pid: number, mapping: MappingDetail): string | undefined
  /** A descriptor, the caller's, to read the file as it is now; undefined where that is not allowed. */
  open(pid: number, mapping: MappingDetail): number | undefined
}

/** What a mapping has that its file does not have any more. */
interface Stale {
  /** Pages that differ from those of the file. */
  readonly ranges: readonly PageRange[]
  /** Some of them lie behind the end of the file. */
  readonly isLonger: boolean
}

/** Mappings that were like their files when these had the stamps. */
const fresh = new Map<string, string>()
const keyOf = (pid: number, { start, end, offset, inode, path }: MappingDetail): string =>
  `${pid}:${start}:${end}:${offset}:${inode}:${path}`

/**
 * Finds what a mapping of a file still shows of an older one. On overlayfs a mapping stays that of a lower layer when somebody writes to
 * the file, which copies it up; read(2) and new mappings see the copy.
 *
 * @returns undefined where the mapping shows its file
 * Kernel: fs/overlayfs/file.c ovl_mmap(); Documentation/filesystems/overlayfs.rst, "Non-standard behavior"
 */
export function findStale(pid: number, mapping: MappingDetail, lower: LowerFiles): Stale | undefined {
  const { read, inode, path, devMajor } = mapping
  if (!read || inode === 0n || devMajor !== 0 || !path.startsWith("/")) return undefined
  const stamp = lower.stamp(pid, mapping)
  if (stamp === undefined || fresh.get(keyOf(pid, mapping)) === stamp) return undefined
  const fd = lower.open(pid, mapping)
  if (fd === undefined) return undefined
  try {
    const stale = isOfOtherPages(pid, mapping, fd) ? differing(pid, mapping, fd) : undefined
    if (stale?.ranges.length) return stale
    fresh.set(keyOf(pid, mapping), stamp)
    return undefined
  } finally {
    closeSync(fd)
  }
}

const entry = Buffer.alloc(8)
/** Number of the page frame, where it is told: to CAP_SYS_ADMIN. Documentation/admin-guide/mm/pagemap.rst */
const FRAME = (1n << 55n) - 1n
/** Pages that are looked at before a mapping counts as one that may be stale. */
const LOOKS = 16

function entryAt(pagemap: number, address: bigint): bigint {
  const got = readSync(pagemap, entry, 0, 8, Number(address / PAGE) * 8)
  return got === 8 ? entry.readBigUInt64LE(0) : 0n
}

/** False when a page of the mapping is the very page that a mapping of ours has. True, too, where that cannot be told. */
function isOfOtherPages(pid: number, { start, end, offset }: MappingDetail, fd: number): boolean {
  const [theirs, own] = [openSync(`/proc/${pid}/pagemap`, "r"), openSync("/proc/self/pagemap", "r")]
  try {
    for (let at = start, looks = 0; at < end && looks < LOOKS; at += PAGE, looks++) {
      // Faults it in, as the program would.
      if (!peekMemory(pid, remoteAddress(at), 1)) return true
      const found = entryAt(theirs, at)
      if ((found & PM.FILE) === 0n) continue
      const ours = attempt("mmap", 0, PAGE_SIZE, PROT.READ, MAP.PRIVATE | MAP.POPULATE, fd, offset + at - start)
      if (isFailure(ours)) return true
      const frame = entryAt(own, BigInt(ours)) & FRAME
      syscall("munmap", ours, PAGE_SIZE)
      return frame === 0n || frame !== (found & FRAME)
    }
    return true
  } finally {
    closeSync(theirs)
    closeSync(own)
  }
}

/** Page by page: what is behind the end of the older file cannot be read. */
function differing(pid: number, { start, end, offset }: MappingDetail, fd: number): Stale {
  const ranges: PageRange[] = []
  const page = Buffer.alloc(PAGE_SIZE)
  let isLonger = false
  for (let at = start; at < end; at += PAGE) {
    const shown = peekMemory(pid, remoteAddress(at), PAGE_SIZE)
    if (!shown) continue
    page.fill(0)
    const got = readSync(fd, page, 0, PAGE_SIZE, Number(offset + at - start))
    if (got > 0 && shown.equals(page)) continue
    isLonger ||= got === 0
    const last = ranges.at(-1)
    if (last?.end === at) ranges.splice(-1, 1, { ...last, end: at + PAGE })
    else ranges.push({ start: at, end: at + PAGE, flags: PE.PRESENT })
  }
  return { ranges, isLonger }
}
