import { closeSync, openSync, readSync, writeAll } from "../../ffi/fs.ts"
import { attempt, errnoName } from "../../ffi/syscall.ts"
import type { pagemap_entry, pagemap_head } from "../../proto/gen/pagemap_pb.ts"
import type { vma_entry } from "../../proto/gen/vma_pb.ts"
import { logger } from "../base/log.ts"
import { PAGE_SIZE, type RemoteAddress, remoteAddress } from "../base/units.ts"
import { collectVmas, type MappedFiles } from "../kinds/memory/collect.ts"
import { type Range, toucher, without } from "../kinds/memory/holes.ts"
import { findPages, type PageRange } from "../kinds/memory/pages.ts"
import type { SharedMemory } from "../kinds/memory/shared.ts"
import { findStale } from "../kinds/memory/stale.ts"
import { openSegment } from "../kinds/memory/windows.ts"
import type { Mapping } from "../proc/maps.ts"
import type { MappingDetail } from "../proc/smaps.ts"
import { copyToFile } from "../tracee/copy.ts"
import type { FrozenProcess } from "../tracee/frozen.ts"
import type { CodeRange } from "../tracee/gadgets.ts"
import { framePagesSize, isFree, isZero, type LoanTerms } from "../tracee/host.ts"
import { readMemoryIfMapped } from "../tracee/memory.ts"
import type { NumberedPages, PagesFiles } from "./pages-files.ts"

const log = logger("pages")

/** Executable mappings in which injection may look for instructions. Not huge pages: a look at one that is absent would take it from the pool. */
export const codeRanges = (mappings: readonly (Mapping & Partial<Pick<MappingDetail, "vmFlags">>)[]): CodeRange[] =>
  mappings.filter(({ exec, read, path, vmFlags }) => exec && read && path !== "[vsyscall]" && !vmFlags?.has("ht"))

/**
 * Pages for the bootstrap's signal frame, zeros afterwards. In a quiet process the lowest of the main stack, when they are far below every stack
 * pointer and hold nothing but zeros or what a killed dump left: that is where each dump finds the pages of the one before. Else such that the
 * process never touched, at the low end of the main stack or of any private writable area; else, where all are present (mlockall), the lowest
 * of the main stack when they are zeros.
 *
 * @param size bytes, whole pages   @param stackPointers of all threads
 * @param isQuiet no thread is on its way back from a killed dump, by a frame that no stack pointer may point to yet
 * @returns undefined when every writable page is in use
 */
export function untouchedPages(
  pid: number,
  mappings: readonly MappingDetail[],
  size: number,
  stackPointers: readonly bigint[],
  isQuiet: boolean,
): RemoteAddress | undefined {
  const stack = mappings.find(({ path, read, write }) => path === "[stack]" && read && write)
  const fd = openSync(`/proc/${pid}/pagemap`, "r")
  try {
    // Absent pages are not read: that would make them present.
    const present = stack && pagesOf(fd, stack.start, size / PAGE_SIZE).every((entry) => (entry & PRESENT) !== 0n)
    const lowest = (isWanted: (pages: Uint8Array) => boolean) =>
      present ? lowestPages(pid, stack, size, stackPointers, isWanted) : undefined
    return (isQuiet ? lowest(isFree) : undefined) ?? absentPages(fd, mappings, size) ?? lowest(isZero)
  } finally {
    closeSync(fd)
  }
}

/** What a handler or a call of the program may still write below its stack pointer without asking, bytes: it is left alone. */
const STACK_DISTANCE = 16 * 1024

function lowestPages(
  pid: number,
  stack: MappingDetail,
  size: number,
  stackPointers: readonly bigint[],
  isWanted: (pages: Uint8Array) => boolean,
): RemoteAddress | undefined {
  const pointers = stackPointers.filter((sp) => sp >= stack.start && sp <= stack.end)
  // Without one the main stack is not where the leader's frames end: nobody knows what lies there.
  if (pointers.length === 0) return undefined
  const lowest = pointers.reduce((least, sp) => (sp < least ? sp : least))
  if (stack.start + BigInt(size + STACK_DISTANCE) > lowest) return undefined
  const bytes = readMemoryIfMapped(pid, remoteAddress(stack.start), size)
  return bytes && isWanted(bytes) ? remoteAddress(stack.start) : undefined
}

/** Bits of a pagemap entry: present, swapped, or a guard, which nobody can write to. Documentation/admin-guide/mm/pagemap.rst */
const PRESENT = 1n << 63n
const TAKEN = PRESENT | (1n << 62n) | (1n << 58n)
const pagemapWindow = Buffer.alloc(8 * 512)

/** Pagemap entries from an address on. @param pages 512 at most */
function pagesOf(fd: number, start: bigint, pages: number): bigint[] {
  const got = readSync(fd, pagemapWindow, 0, pages * 8, (Number(start) / PAGE_SIZE) * 8) / 8
  return Array.from({ length: got }, (_, i) => pagemapWindow.readBigUInt64LE(i * 8))
}

function absentPages(fd: number, mappings: readonly MappingDetail[], size: number): RemoteAddress | undefined {
  const writable = mappings.filter(
    ({ read, write, shared, inode, path, vmFlags }) =>
      read && write && !shared && inode === 0n && !path.startsWith("[v") && !vmFlags.has("ht"),
  )
  const stacksFirst = [...writable].sort((a, b) => Number(b.path === "[stack]") - Number(a.path === "[stack]"))
  const pages = size / PAGE_SIZE
  for (const { start, end } of stacksFirst) {
    let run = 0
    for (const [i, entry] of pagesOf(fd, start, Math.min(512, Number(end - start) / PAGE_SIZE)).entries()) {
      run = (entry & TAKEN) === 0n ? run + 1 : 0
      if (run === pages) return remoteAddress(start + BigInt((i + 1 - pages) * PAGE_SIZE))
    }
  }
  return undefined
}

/** What is kept of a process's memory. */
export interface SavedLayout {
  readonly vmas: vma_entry[]
  readonly ranges: PageRange[]
  /** Areas with pages of their own that other processes have as well, ascending. */
  readonly common: readonly Range[]
}

/** Whether fork(2) or KSM has left private pages of an area to several processes. Clean ones of a file are the file's. */
const hasCommonPages = ({ shared, inode, counters }: MappingDetail): boolean =>
  !shared && (counters.sharedDirty + counters.sharedHugetlb > 0 || (inode === 0n && counters.sharedClean > 0))

/** The areas of a frozen process and the pages to store. */
export function collectLayout(pid: number, mappings: readonly MappingDetail[], files: MappedFiles): SavedLayout {
  const areas = collectVmas(mappings, [], files)
  const { ranges: own, guards } = findPages(pid, areas)
  const stale = mappings.flatMap((mapping) => (mapping.shared ? [] : (findStale(pid, mapping, files.lower)?.ranges ?? [])))
  const more = stale.flatMap((range) => without(range, own).map((part) => ({ ...range, ...part })))
  const ranges = more.length > 0 ? [...own, ...more].sort((a, b) => (a.start < b.start ? -1 : 1)) : own
  return { vmas: [...areas, ...collectVmas([], guards, files)], ranges, common: mappings.filter(hasCommonPages) }
}

/** Pages to store but those that hold a frame of ours now: they are zeros before and after, as those that are not stored. */
export function withoutFrame(process: FrozenProcess, ranges: readonly PageRange[], { framePages }: LoanTerms): PageRange[] {
  if (framePages === undefined) return [...ranges]
  const frame = { start: framePages, end: framePages + BigInt(framePagesSize(process)) }
  return ranges.flatMap((range) => without(range, [frame]).map((part) => ({ ...range, ...part })))
}

/** CRIU up to 4.1 reads the 32-bit count, later ones the 64-bit one: both are written. */
const pagemapEntries = (ranges: readonly PageRange[]): pagemap_entry[] =>
  ranges.map(({ start, end, flags }) => {
    const nr_pages = (end - start) / BigInt(PAGE_SIZE)
    return { vaddr: start, compat_nr_pages: Number(BigInt.asUintN(32, nr_pages)), flags, nr_pages }
  })

/** Pages that stand in a pages file, and the pagemap image that says which. */
export interface StoredPages {
  readonly pages: number
  readonly kind: "pagemap" | "pagemap-shmem"
  readonly id: number
  /** Empty when nothing was stored: then there is no image. */
  readonly entries: (pagemap_head | pagemap_entry)[]
}

/**
 * Copies a process's pages into its pages file.
 *
 * @param patches bytes that replace what was copied
 * @throws CheckpointError E_DISK_FULL, E_IO the file cannot be written · SyscallError ESRCH the process died
 */
export function savePages(
  pid: number,
  { pagesId, file }: NumberedPages,
  { ranges, common }: Pick<SavedLayout, "ranges" | "common">,
  patches: readonly { readonly address: bigint; readonly bytes: Uint8Array }[],
): StoredPages {
  const bytes = file.fill((fd) => copyToFile(pid, ranges, fd, 0, toucher(common)))
  file.truncate(bytes)
  for (const patch of patches) file.fill((fd) => applyPatch(ranges, fd, patch))
  return { pages: bytes / PAGE_SIZE, kind: "pagemap", id: pid, entries: [{ pages_id: pagesId }, ...pagemapEntries(ranges)] }
}

/** Overwrites stored bytes: what running code in the process changed or may have changed. */
function applyPatch(
  ranges: readonly PageRange[],
  fd: number,
  { address, bytes }: { readonly address: bigint; readonly bytes: Uint8Array },
): void {
  let offset = 0n
  for (const { start, end } of ranges) {
    if (address >= start && address + BigInt(bytes.length) <= end) {
      writeAll(fd, bytes, Number(offset + address - start))
      return
    }
    offset += end - start
  }
}

/** Copies the data of a shared segment into its own pages file. @param id of its pagemap */
export function saveSegment(id: number, { ranges, source }: Pick<SharedMemory, "ranges" | "source">, pagesFiles: PagesFiles): StoredPages {
  const facts = { kind: "pagemap-shmem", id } as const
  const { pagesId, file } = pagesFiles.next()
  using segment = openSegment(source)
  const buffer = Buffer.alloc(1 << 20)
  let written = 0
  for (const { start, end } of ranges)
    for (let at = start; at < end; ) {
      const part = segment.read(buffer, Math.min(buffer.length, Number(end - at)), at)
      file.fill((fd) => writeAll(fd, buffer.subarray(0, part), written))
      written += part
      at += BigInt(part)
    }
  return { ...facts, pages: written / PAGE_SIZE, entries: [{ pages_id: pagesId }, ...pagemapEntries(ranges)] }
}

/** Takes room on the disk for a file's first bytes. Kernel: fallocate(2); file systems without it get their blocks when they are written. */
export function allocateBlocks(fd: number, bytes: number): void {
  const answer = attempt("fallocate", fd, 0, 0, bytes)
  // The estimate may be too high for a nearly full disk: what really is missing shows when the pages are written.
  if (answer < 0) log.debug(`fallocate of ${bytes} bytes answered ${errnoName(-answer)}`)
}
