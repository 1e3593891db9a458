import { closeSync, openSync, readSync } from "../../../ffi/fs.ts"
import { PE } from "../../../proto/values.ts"
import { errnoOf } from "../../base/errno.ts"
import { CheckpointError, type Refusal } from "../../base/errors.ts"
import { PAGE, PAGE_SIZE, type Range } from "../../base/units.ts"
import { type Mapping, mappedInode } from "../../proc/maps.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { Answers, Data, Program, Result } from "../../tracee/program.ts"
import { isHugeAnonymous } from "./huge/mapping.ts"
import type { PageRange } from "./pages.ts"
import { isShmem } from "./shmem.ts"
import { isAttachment } from "./sysv/mapping.ts"

/**
 * A part of shared memory as a process has it mapped: its content can be read there by who may trace, whoever may open it. The range is
 * that of the part: offsets in the segment.
 */
export interface Window extends Range {
  readonly pid: number
  /** Where the part begins in the process. */
  readonly address: bigint
  /** What of it holds data. */
  readonly ranges: readonly PageRange[]
}

/** Shared memory that is nobody's file: its links cannot be followed without CAP_CHECKPOINT_RESTORE. */
const isSegment = (mapping: Mapping): boolean => mapping.shared && (isShmem(mapping) || isAttachment(mapping))

/** Where the answer about one mapping will be: a byte a page, whose lowest bit says that the memory has the page. */
interface WindowQuestion {
  readonly mapping: MappingDetail
  readonly pages: Data
  readonly answer: Result
}

/** Shared memory of a process that a dump asks about, bytes: the answer takes the kernel a second for so much. */
const MOST = 16n << 30n

/** Huge pages of a file that only its link leads to: which of them it has the page tables of one process do not tell. */
const isHugeFile = (mapping: MappingDetail): boolean =>
  mapping.vmFlags.has("ht") && mapping.deleted && !(isHugeAnonymous(mapping) && !mapping.shared)

/** Shared memory that windows are too small for. */
export function surveyWindows(pid: number, mappings: readonly MappingDetail[]): Refusal[] {
  const remedy = "Run stasis as root or with CAP_CHECKPOINT_RESTORE, which may open it"
  const huge = mappings.find(isHugeFile)
  if (huge) return [{ what: `shared memory of huge pages ("${huge.path}")`, where: `task ${pid}`, remedy }]
  const segments = mappings.filter(isSegment)
  const bytes = segments.reduce((sum, { start, end }) => sum + (end - start), 0n)
  if (bytes <= MOST) return []
  return [
    {
      what: `more than ${MOST >> 30n} GiB of shared memory without a file (${bytes >> 30n} GiB)`,
      where: `task ${pid}`,
      remedy,
    },
  ]
}

/** Appends the question which pages the shared memory of a process has: its page tables need not have them. Man page: mincore(2) */
export const askWindows = (program: Program, mappings: readonly MappingDetail[]): readonly WindowQuestion[] =>
  mappings.filter(isSegment).map((mapping) => {
    const { start, end } = mapping
    const pages = program.room(Number((end - start) / PAGE))
    return { mapping, pages, answer: program.callWith({ mayFail: true }, "mincore", start, end - start, pages) }
  })

/** Runs of set pages, as offsets in a segment. @param first offset of the first page   @param has one page after the other */
function rangesOf(first: bigint, count: number, has: (page: number) => boolean): PageRange[] {
  const ranges: PageRange[] = []
  for (let page = 0; page < count; page++) {
    if (!has(page)) continue
    const from = page
    while (page < count && has(page)) page++
    ranges.push({ start: first + BigInt(from) * PAGE, end: first + BigInt(page) * PAGE, flags: PE.PRESENT })
  }
  return ranges
}

/** The windows of one process, by memory. What is swapped out mincore does not tell: then every page counts. */
export function collectWindows(
  pid: number,
  answers: Answers,
  questions: readonly WindowQuestion[],
): ReadonlyMap<string, readonly Window[]> {
  const windows = questions.map(({ mapping, pages, answer }) => {
    const { start: address, end: last, offset, counters } = mapping
    const resident = answers.bytes(pages)
    const isTold = answers.of(answer) === 0n && counters.swap === 0
    const ranges = rangesOf(offset, resident.length, (page) => !isTold || ((resident[page] ?? 0) & 1) === 1)
    return { key: mappedInode(mapping), window: { pid, address, start: offset, end: offset + (last - address), ranges } }
  })
  return byMemory(windows)
}

/** Windows as they look from outside: how much of the memory a process has in its page tables, or in swap, is told, and not which. */
export function guessWindows(pid: number, mappings: readonly MappingDetail[]): ReadonlyMap<string, readonly Window[]> {
  const windows = mappings.filter(isSegment).map((mapping) => {
    const { start: address, end: last, offset } = mapping
    const { rss, swap } = mapping.counters
    const end = offset + (last - address)
    const ranges = rss + swap === 0 ? [] : [{ start: offset, end: offset + BigInt(rss + swap) * 1024n, flags: PE.PRESENT }]
    return { key: mappedInode(mapping), window: { pid, address, start: offset, end, ranges } }
  })
  return byMemory(windows)
}

const byMemory = (windows: readonly { readonly key: string; readonly window: Window }[]): ReadonlyMap<string, readonly Window[]> =>
  new Map([...Map.groupBy(windows, ({ key }) => key)].map(([key, list]) => [key, list.map(({ window }) => window)]))

/** The windows of several processes to the same memory, all together. */
export function joinWindows(all: readonly ReadonlyMap<string, readonly Window[]>[]): ReadonlyMap<string, readonly Window[]> {
  const entries = all.flatMap((windows) => [...windows])
  return new Map([...Map.groupBy(entries, ([key]) => key)].map(([key, list]) => [key, list.flatMap(([, windows]) => windows)]))
}

/** What holds data in at least one window, each part once, ascending. */
export function unionOf(ranges: readonly PageRange[]): PageRange[] {
  const union: PageRange[] = []
  for (const { start, end, flags } of [...ranges].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = union.at(-1)
    if (last && start <= last.end) union[union.length - 1] = { ...last, end: end > last.end ? end : last.end }
    else union.push({ start, end, flags })
  }
  return union
}

/** How the content of shared memory is read: by a link in /proc, or through windows. */
export type SegmentSource = string | readonly Window[]

/** Content of shared memory. */
interface SegmentReader extends Disposable {
  /** Reads at an offset; what is not there reads as zeros. @returns bytes read, `length` but at the end of a window */
  read(into: Buffer, length: number, at: bigint): number
}

/**
 * Reads until there is no more, for one read may be short; then fills up with zeros: the last page of a segment whose size is no multiple
 * of a page.
 */
function readAll(fd: number, into: Buffer, length: number, at: bigint): number {
  let done = 0
  try {
    for (let got = -1; got !== 0 && done < length; done += got) got = readSync(fd, into, done, length - done, Number(at) + done)
  } catch (error) {
    // Past the end of the memory.
    if (errnoOf(error) !== "EIO") throw error
  }
  into.fill(0, done, length)
  return length
}

/** @throws CheckpointError E_TARGET_CHANGED of `read`: no window leads there. Precondition: the processes are stopped. */
export function openSegment(source: SegmentSource): SegmentReader {
  const files = new Map<string, number>()
  const open = (path: string): number => files.getOrInsertComputed(path, () => openSync(path, "r"))
  return {
    read(into, length, at) {
      if (typeof source === "string") return readAll(open(source), into, length, at)
      const window = source.find(({ start, end }) => at >= start && at < end)
      if (!window) throw new CheckpointError("E_TARGET_CHANGED", "Cannot read shared memory", "it was unmapped meanwhile", "Dump again")
      const left = window.end - at
      const part = left < BigInt(length) ? Number(left) : length
      return readAll(open(`/proc/${window.pid}/mem`), into, part, window.address + (at - window.start))
    },
    [Symbol.dispose]() {
      for (const fd of files.values()) closeSync(fd)
    },
  }
}

/** Bytes of whole pages that windows show from the beginning on. */
export const extentOf = (windows: readonly Window[]): bigint => windows.reduce((most, { end }) => (end > most ? end : most), 0n)

/** True when windows show all of a segment. @param size bytes */
export function showAll(windows: readonly Window[], size: bigint): boolean {
  const [whole] = unionOf(windows.map(({ start, end }) => ({ start, end, flags: 0 })))
  return whole?.start === 0n && whole.end + BigInt(PAGE_SIZE) > size
}
