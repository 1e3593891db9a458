import { closeSync, openSync, readSync } from "../../../ffi/fs.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { errnoOf } from "../../base/errno.ts"
import { hex, PAGE_SIZE, type Range } from "../../base/units.ts"
import { mappingAt } from "../../elf/module.ts"
import type { ImageSet } from "../../image/set.ts"
import type { Fill } from "../../kinds/memory/restore.ts"
import { remainderOf } from "../../kinds/registers/interrupted.ts"
import { areaLength } from "../../rseq/inspect.ts"
import { checkInterrupt } from "../../tracee/wait.ts"
import type { SavedProcess, SavedTree } from "../images.ts"
import { kernelAreas } from "../kernel-areas.ts"
import { readFills } from "../read-pages.ts"

const PART = 1 << 20
/** Bytes of struct timespec. */
const TIMESPEC = 16
const [stored, live] = [Buffer.alloc(PART), Buffer.alloc(PART)]

/**
 * What the kernel writes itself: the restartable-sequence areas, and where a sleep has its time that is left; and what was led from an old
 * vdso.
 */
const kernelOwned = ({ threads, standIn }: SavedProcess): Range[] => [
  ...(standIn?.overlays ?? []).map(({ address, bytes }) => ({ start: address, end: address + BigInt(bytes.length) })),
  ...threads.flatMap(({ core: { rseq_entry: rseq }, extension }) => [
    ...(rseq ? [{ start: rseq.rseq_abi_pointer, end: rseq.rseq_abi_pointer + BigInt(areaLength(rseq.rseq_abi_size)) }] : []),
    ...(extension?.restart?.remaining_sec === undefined
      ? []
      : [remainderOf(extension.restart)].map((start) => ({ start, end: start + BigInt(TIMESPEC) }))),
  ]),
]

/** The number of the shared memory that an area shows, in the images; undefined where it shows none, or a file. */
function segmentOf({ memfds }: SavedTree, { files }: SavedProcess, { status, shmid }: vma_entry): number | undefined {
  // CRIU's shared anonymous memory, and System V segments.
  if ((status & (VMA.ANON_SHARED | VMA.SYSVIPC)) !== 0) return Number(shmid)
  const memfd = (status & VMA.FILE_SHARED) === 0 ? undefined : files.files.get(Number(shmid))?.memfd
  return memfd && memfds.find(({ inode_id }) => inode_id === BigInt(memfd.inode_id))?.shmid
}

/** What the kernel writes of shared memory that is no file, by offset: threads may have their areas there. @param shmid its number */
export const kernelOwnedShared = (saved: SavedTree, shmid: number): Range[] =>
  saved.processes.flatMap((process) =>
    kernelOwned(process).flatMap(({ start, end }) => {
      const area = mappingAt(process.mm.vmas, start)
      if (!area || segmentOf(saved, process, area) !== shmid) return []
      const shift = area.pgoff - area.start
      return [{ start: start + shift, end: end + shift }]
    }),
  )

/** The first byte that differs, of `length` in both buffers, but for what the kernel owns. @param at address of the first */
function firstDifference(length: number, at: bigint, owned: readonly Range[]): bigint | undefined {
  for (let from = 0; from < length; from += PAGE_SIZE) {
    const to = Math.min(from + PAGE_SIZE, length)
    if (stored.compare(live, from, to, from, to) === 0) continue
    for (let index = from; index < to; index++) {
      const address = at + BigInt(index)
      if (stored[index] !== live[index] && !owned.some(({ start, end }) => address >= start && address < end)) return address
    }
  }
  return undefined
}

/**
 * Reads what is there now.
 *
 * @param at address, or offset in a segment, bytes
 * @returns bytes read into the front of `into`; 0 where nothing is
 */
type Reader = (into: Buffer, length: number, at: bigint) => number

/** Memory of a process. What is not there, /proc/PID/mem answers with EIO. Kernel: mem_rw in fs/proc/base.c */
const memoryReader =
  (memory: number): Reader =>
  (into, length, at) => {
    try {
      return readSync(memory, into, 0, length, Number(at))
    } catch (error) {
      if (errnoOf(error) === "EIO") return 0
      throw error
    }
  }

/** True when a page holds nothing but zeros. */
export function isZeroPage(read: Reader, at: bigint): boolean {
  read(live, PAGE_SIZE, at)
  return live.subarray(0, PAGE_SIZE).every((byte) => byte === 0)
}

/**
 * Compares stored pages with what is there now.
 *
 * @param fills by pages file   @param owned parts that need not be equal   @param where name of what they are pages of
 * @returns one text a part that differs
 */
export function compareFills(fills: ReadonlyMap<string, readonly Fill[]>, read: Reader, owned: readonly Range[], where: string): string[] {
  const texts: string[] = []
  for (const [path, runs] of fills) {
    const pages = openSync(path, "r")
    try {
      for (const { start, length, offset } of runs)
        for (let done = 0n; done < length; ) {
          checkInterrupt("the comparison of memory")
          const part = Number(length - done < BigInt(PART) ? length - done : BigInt(PART))
          // Both may be short.
          const same = read(live, readSync(pages, stored, 0, part, Number(offset + done)), start + done)
          const at = same === 0 ? undefined : firstDifference(same, start + done, owned)
          if (at !== undefined) texts.push(`${where} ${hex(at)}: has another value`)
          if (same === 0) {
            texts.push(`${where} ${hex(start + done)}: cannot be read`)
            break
          }
          done += BigInt(same)
        }
    } finally {
      closeSync(pages)
    }
  }
  return texts
}

/** @param sharers all processes that have this memory, the one whose pages were restored first */
function processDifferences(set: ImageSet, saved: SavedProcess, sharers: readonly SavedProcess[]): string[] {
  const { pid } = saved.tree
  // Not process_vm_readv, which gives the process copies of the pages that it shares with its parent.
  const memory = openSync(`/proc/${pid}/mem`, "r")
  try {
    const fills = readFills(set, "pagemap", pid, kernelAreas(saved))
    return compareFills(fills, memoryReader(memory), sharers.flatMap(kernelOwned), `process ${pid} memory`)
  } finally {
    closeSync(memory)
  }
}

/** Compares every stored page with the memory of the restored processes. @returns one text a part that differs */
export const memoryDifferences = (set: ImageSet, { processes }: SavedTree): string[] =>
  [...Map.groupBy(processes, ({ ids }) => ids.vm_id).values()].flatMap((sharers) => {
    const [first] = sharers
    return first && set.has("pagemap", first.tree.pid) ? processDifferences(set, first, sharers) : []
  })
