import { writeAll } from "../../../ffi/fs.ts"
import { attempt, errnoName } from "../../../ffi/syscall.ts"
import type { pagemap_entry, pagemap_head } from "../../../proto/gen/pagemap_pb.ts"
import { logger } from "../../base/log.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import type { PagesFile } from "../../image/transaction.ts"
import { toucher } from "../../kinds/memory/holes.ts"
import type { PageRange } from "../../kinds/memory/pages.ts"
import type { SharedMemory } from "../../kinds/memory/shared.ts"
import { openSegment } from "../../kinds/memory/windows.ts"
import { copyToFile } from "../../tracee/copy.ts"
import { checkInterrupt } from "../../tracee/wait.ts"
import type { CollectedMemory } from "./memory.ts"
import type { PagesFiles } from "./pages-files.ts"

const log = logger("pages")

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
  { pagesId, file }: { readonly pagesId: number; readonly file: Pick<PagesFile, "fill" | "truncate"> },
  { ranges, common }: Pick<CollectedMemory, "ranges" | "common">,
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
export function saveSegment(
  id: number,
  { ranges, source }: Pick<SharedMemory, "ranges" | "source">,
  pagesFiles: Pick<PagesFiles, "next">,
): StoredPages {
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

/** Bytes that are allocated at once. */
const STEP = 8 << 20
/** Times that one step is tried. */
const TRIES = 20

/**
 * Takes room on the disk for a file's first bytes. Step by step: until a change of 2024 tmpfs gave everything back when a signal arrived,
 * and the tool's own timer sends one every 20 ms. Kernel: fallocate(2), mm/shmem.c shmem_fallocate(); file systems without it get their
 * blocks when they are written.
 *
 * @throws CheckpointError E_INTERRUPTED
 */
export function allocateBlocks(fd: number, bytes: number): void {
  for (let at = 0, tries = 0; at < bytes; ) {
    checkInterrupt("the dump")
    const answer = attempt("fallocate", fd, 0, at, Math.min(STEP, bytes - at))
    if (answer >= 0) [at, tries] = [at + STEP, 0]
    else if (errnoName(-answer) !== "EINTR" || ++tries === TRIES) {
      // The estimate may be too high for a nearly full disk: what really is missing shows when the pages are written.
      log.debug(`fallocate of ${bytes} bytes answered ${errnoName(-answer)} at ${at}`)
      return
    }
  }
}
