import { closeSync, openSync, readSync } from "../../ffi/fs.ts"
import { errnoOf } from "../base/errno.ts"
import { hex, PAGE_SIZE } from "../base/units.ts"
import type { ImageSet } from "../image/set.ts"
import type { Range } from "../kinds/memory/holes.ts"
import { remainderOf } from "../kinds/registers/interrupted.ts"
import { kernelAreas, readFills, type SavedProcess, type SavedTree } from "./images.ts"

const PART = 1 << 20
/** Bytes of struct timespec. */
const TIMESPEC = 16
const [stored, live] = [Buffer.alloc(PART), Buffer.alloc(PART)]

/** What the kernel writes itself: the restartable-sequence areas, and where a sleep has its time that is left. */
const kernelOwned = ({ threads }: SavedProcess): Range[] =>
  threads.flatMap(({ core: { rseq_entry: rseq }, extension }) => [
    ...(rseq ? [{ start: rseq.rseq_abi_pointer, end: rseq.rseq_abi_pointer + BigInt(rseq.rseq_abi_size) }] : []),
    ...(extension?.restart?.remaining_sec === undefined
      ? []
      : [remainderOf(extension.restart)].map((start) => ({ start, end: start + BigInt(TIMESPEC) }))),
  ])

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

/** Reads `live`. @returns bytes; 0 where there is no memory, which /proc/PID/mem answers with EIO. Kernel: mem_rw in fs/proc/base.c */
function readIfThere(memory: number, length: number, address: bigint): number {
  try {
    return readSync(memory, live, 0, length, Number(address))
  } catch (error) {
    if (errnoOf(error) === "EIO") return 0
    throw error
  }
}

/** @param sharers all processes that have this memory, the one whose pages were restored first */
function processDifferences(set: ImageSet, saved: SavedProcess, sharers: readonly SavedProcess[]): string[] {
  const { pid } = saved.tree
  const owned = sharers.flatMap(kernelOwned)
  const texts: string[] = []
  // Not process_vm_readv, which gives the process copies of the pages that it shares with its parent.
  const memory = openSync(`/proc/${pid}/mem`, "r")
  try {
    for (const [path, fills] of readFills(set, "pagemap", pid, kernelAreas(saved))) {
      const pages = openSync(path, "r")
      try {
        for (const { start, length, offset } of fills) {
          for (let done = 0n; done < length; ) {
            const part = Number(length - done < BigInt(PART) ? length - done : BigInt(PART))
            // Both may be short.
            const got = readSync(pages, stored, 0, part, Number(offset + done))
            const same = readIfThere(memory, got, start + done)
            const at = same === 0 ? undefined : firstDifference(same, start + done, owned)
            if (at !== undefined) texts.push(`process ${pid} memory ${hex(at)}: has another value`)
            if (same === 0) {
              texts.push(`process ${pid} memory ${hex(start + done)}: cannot be read`)
              break
            }
            done += BigInt(same)
          }
        }
      } finally {
        closeSync(pages)
      }
    }
  } finally {
    closeSync(memory)
  }
  return texts
}

/** Compares every stored page with the memory of the restored processes. @returns one text a part that differs */
export const memoryDifferences = (set: ImageSet, { processes }: SavedTree): string[] =>
  [...Map.groupBy(processes, ({ ids }) => ids.vm_id).values()].flatMap((sharers) => {
    const [first] = sharers
    return first && set.has("pagemap", first.tree.pid) ? processDifferences(set, first, sharers) : []
  })
