import { hex, PAGE } from "../../base/units.ts"
import type { Aliases } from "../../image/compare.ts"
import type { ImageSet } from "../../image/set.ts"
import type { BpfMapData, PipeData } from "../../kinds/files/payloads.ts"
import { without } from "../../kinds/memory/holes.ts"
import type { SharedMemory } from "../../kinds/memory/shared.ts"
import { openSegment } from "../../kinds/memory/windows.ts"
import type { SavedTree } from "../images.ts"
import { readFills } from "../read-pages.ts"
import { compareFills, isZeroPage, kernelOwnedShared } from "./memory.ts"

/** Compares what is queued in each pipe, and how much it can hold. @returns one text a difference */
export function pipeDifferences(saved: readonly PipeData[], now: readonly PipeData[], aliases: Aliases): string[] {
  const find = (list: readonly PipeData[], id: bigint): PipeData | undefined => list.find(({ message }) => BigInt(message.pipe_id) === id)
  return aliases.of("pipe").flatMap(([there, here]) => {
    const [was, is] = [find(saved, there), find(now, here)]
    if (!was) return []
    const where = `pipe ${there}`
    const [before, after] = [was.payload, is?.payload ?? new Uint8Array()]
    const size = was.message.size ?? is?.message.size
    const texts = size === is?.message.size ? [] : [`${where} size: was ${size}, is ${is?.message.size}`]
    if (before.length !== after.length) return [...texts, `${where}: ${before.length} bytes were queued, ${after.length} are`]
    const at = before.findIndex((byte, index) => byte !== after[index])
    return at < 0 ? texts : [...texts, `${where}: byte ${at} of what is queued has another value`]
  })
}

/** Entries of a BPF map by their keys. */
function entriesOf({ message: { keys_bytes, values_bytes, count }, payload }: BpfMapData): Map<string, string> {
  const bytes = Buffer.from(payload)
  const [key, value] = [keys_bytes / count, values_bytes / count]
  const part = (from: number, length: number): string => bytes.toString("latin1", from, from + length)
  return new Map(Array.from({ length: count }, (_, index) => [part(index * key, key), part(keys_bytes + index * value, value)]))
}

/** Compares what is in each BPF map, in any order. @returns one text a map */
export const bpfMapDifferences = (saved: readonly BpfMapData[], now: readonly BpfMapData[], aliases: Aliases): string[] =>
  aliases.of("map").flatMap(([there, here]) => {
    const [was, is] = [
      saved.find(({ message }) => BigInt(message.map_id) === there),
      now.find(({ message }) => BigInt(message.map_id) === here),
    ]
    if (!was || !is) return was && was.message.count > 0 ? [`BPF map ${there}: is missing`] : []
    const [before, after] = [entriesOf(was), entriesOf(is)]
    if (before.size !== after.size) return [`BPF map ${there}: had ${before.size} entries, has ${after.size}`]
    const other = [...before].filter(([key, value]) => after.get(key) !== value).length
    return other > 0 ? [`BPF map ${there}: ${other} of ${before.size} entries have other values`] : []
  })

/**
 * Compares shared memory that is no file with its stored pages: those that are not stored are zeros.
 *
 * @returns one text a part that differs
 */
export const sharedMemoryDifferences = (set: ImageSet, saved: SavedTree, now: readonly SharedMemory[], aliases: Aliases): string[] =>
  aliases.of("sharedMemory").flatMap(([was, is]) => {
    const segment = now.find(({ inode }) => BigInt(inode.shmid) === is)
    return segment ? oneSegment(set, saved, Number(was), segment) : []
  })

/** Compares one segment with its stored pages. @returns one text a part that differs */
export function oneSegment(
  set: ImageSet,
  saved: SavedTree,
  shmid: number,
  { source, ranges }: Pick<SharedMemory, "source" | "ranges">,
): string[] {
  const where = `shared memory ${shmid}`
  const fills = set.has("pagemap-shmem", shmid) ? readFills(set, "pagemap-shmem", shmid) : new Map()
  const stored = [...fills.values()].flat().map(({ start, length }) => ({ start, end: start + length }))
  using segment = openSegment(source)
  const { read } = segment
  const filled = ranges.flatMap((range) => without(range, stored))
  const strays = filled.filter(({ start, end }) => {
    for (let at = start; at < end; at += PAGE) if (!isZeroPage(read, at)) return true
    return false
  })
  return [
    ...compareFills(fills, read, kernelOwnedShared(saved, shmid), where),
    ...strays.map(({ start, end }) => `${where} ${hex(start)}-${hex(end)}: holds data, and held none`),
  ]
}
