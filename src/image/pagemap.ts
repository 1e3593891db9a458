import { basename, join } from "node:path"
import { existsSync, statSync } from "../../ffi/fs.ts"
import type { pagemap_entry, pagemap_head } from "../../proto/gen/pagemap_pb.ts"
import { PE } from "../../proto/values.ts"
import { CheckpointError } from "../base/errors.ts"
import { hex, PAGE, PAGE_SIZE } from "../base/units.ts"
import { corrupt } from "./failure.ts"
import { fileName, type ImageId } from "./name.ts"
import { pagesOf, storedFlags } from "./pagemap-entry.ts"
import { type ImageSet, openImages } from "./set.ts"

/** Adjacent pages that are stored one after the other. */
interface PageRun {
  /** Address of the first page; offset in the segment for shared memory. Bytes, page-aligned. */
  readonly vaddr: bigint
  readonly pages: number
  /** Where the first page begins in the pages file, bytes. */
  readonly offset: bigint
  /** PE.PRESENT, perhaps with PE.LAZY. */
  readonly flags: number
  /** The pages file: of this set, or of a parent. */
  readonly path: string
}

export type PagemapKind = "pagemap" | "pagemap-shmem"

const endOf = ({ vaddr, pages }: PageRun): bigint => vaddr + BigInt(pages) * PAGE

/** The set that the symlink `parent` of an incremental set leads to. May be a pre-dump. */
function parentOf(set: ImageSet, kind: PagemapKind, id: ImageId): ImageSet {
  const parent = join(set.directory, "parent")
  if (existsSync(parent)) return openImages(parent, { preDump: true })
  const next = `Put the directory of the earlier dump back, and make ${parent} a symbolic link to it`
  const name = fileName(kind, id)
  throw new CheckpointError(
    "E_IMAGE_MISSING",
    `Cannot read image ${name}`,
    `it has pages in an earlier set, and there is no ${parent}`,
    next,
  )
}

/** The parts of a parent's runs that lie in `pages` pages from `vaddr`. They must cover it. */
function* within(runs: readonly PageRun[], vaddr: bigint, pages: number, gap: (at: bigint) => CheckpointError): Generator<PageRun> {
  const end = vaddr + BigInt(pages) * PAGE
  let at = vaddr
  for (const run of runs) {
    if (endOf(run) <= at) continue
    if (at >= end) return
    if (run.vaddr > at) throw gap(at)
    const stop = endOf(run) < end ? endOf(run) : end
    yield { ...run, vaddr: at, pages: Number((stop - at) / PAGE), offset: run.offset + at - run.vaddr }
    at = stop
  }
  if (at < end) throw gap(at)
}

/** Refuses what no writer makes: unaligned, empty, unsorted or overlapping runs, and pages that nobody stored. */
function check(path: string, index: number, entry: pagemap_entry, last: bigint): void {
  const where = `run ${index} at ${hex(entry.vaddr)}`
  const flags = storedFlags(entry)
  const pages = pagesOf(entry)
  if (entry.vaddr % PAGE !== 0n) throw corrupt(path, `${where} does not begin at a page of ${PAGE_SIZE} bytes`)
  if (pages === 0n) throw corrupt(path, `${where} has no pages`)
  if (pages > 1n << 52n || entry.vaddr + pages * PAGE > 1n << 64n)
    throw corrupt(path, `${where} has ${pages} pages, which is beyond the address space`)
  if (entry.vaddr < last) throw corrupt(path, `${where} begins before ${hex(last)}, the end of the run before it`)
  if (flags & PE.PARENT && flags & PE.PRESENT) throw corrupt(path, `${where} is stored here and in the parent (flags ${hex(flags)})`)
  if (!(flags & (PE.PARENT | PE.PRESENT))) {
    const found =
      flags & PE.LAZY ? `${where} was left in the dumped process (lazy dump)` : `${where} is stored nowhere (flags ${hex(flags)})`
    throw new CheckpointError("E_IMAGE_UNSUPPORTED", `Cannot read image ${basename(path)}`, found, "Dump again without --lazy-pages")
  }
}

/**
 * Where each stored page of a process or a segment is, by ascending address. Runs in parents are followed to the set that has them.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT unsorted, overlapping or unaligned runs, a gap in a parent, a pages file that is too short ·
 * E_IMAGE_MISSING pages file or parent · E_IMAGE_UNSUPPORTED pages of a lazy dump
 */
export function* pagemapRuns(set: ImageSet, kind: PagemapKind, id: ImageId): Generator<PageRun> {
  const path = join(set.directory, fileName(kind, id))
  const [head, ...entries] = set.all(kind, id) as [pagemap_head | undefined, ...pagemap_entry[]]
  if (!head) throw corrupt(path, "it has no entry, not even the number of its pages file")
  const stored = entries.reduce((sum, entry) => (storedFlags(entry) & PE.PRESENT ? sum + pagesOf(entry) * PAGE : sum), 0n)
  const pagesPath = stored > 0n ? set.pagesPath(head.pages_id) : ""
  const size = stored > 0n ? BigInt(statSync(pagesPath).size) : 0n
  if (size < stored) throw corrupt(pagesPath, `it has ${size} bytes, ${fileName(kind, id)} wants ${stored}`)
  let parent: readonly PageRun[] | undefined
  let offset = 0n
  let last = 0n
  for (const [index, entry] of entries.entries()) {
    check(path, index, entry, last)
    const { vaddr } = entry
    const pages = Number(pagesOf(entry))
    last = vaddr + BigInt(pages) * PAGE
    const flags = storedFlags(entry)
    if (flags & PE.PRESENT) {
      yield { vaddr, pages, offset, flags, path: pagesPath }
      offset += BigInt(pages) * PAGE
    } else {
      parent ??= [...pagemapRuns(parentOf(set, kind, id), kind, id)]
      yield* within(parent, vaddr, pages, (at) => corrupt(path, `run ${index} names pages of the parent, which has none at ${hex(at)}`))
    }
  }
}
