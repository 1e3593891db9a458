import { closeSync, openSync } from "node:fs"
import type { ImageSet } from "../image/set.ts"
import { type Origin, readOrigin } from "../kinds/creds/origin.ts"
import { findShared } from "../kinds/files/shared.ts"
import { findHole } from "../kinds/memory/holes.ts"
import { holeSize } from "../kinds/memory/shared.ts"
import type { BirthPlan } from "../kinds/tree/plan.ts"
import { AT, readAuxv } from "../proc/auxv.ts"
import { type Limit, readLimits } from "../proc/limits.ts"
import { type Mapping, readMaps } from "../proc/maps.ts"
import { type Nursery, openNursery, raisedLimits, type SegmentPages, shareOf } from "./birth.ts"
import type { Ground, Plot } from "./build.ts"
import type { ServiceDescriptors } from "./descriptors.ts"
import { kernelAreas, readFills, type SavedProcess, type SavedTree } from "./images.ts"

/** Address space kept free for the stub's area: more than any program needs. */
const AREA_ROOM = 1n << 30n

/** What a fresh process has: known for certain only when it exists. */
export interface SeedFacts {
  /** The kernel's own mappings are among them, at an address that nobody chose. */
  readonly mappings: readonly Mapping[]
  readonly origin: Origin
  readonly limits: readonly Limit[]
}

/** Facts of a process that nothing was changed in yet. @throws CheckpointError E_NO_PROCESS */
export const readSeedFacts = (pid: number): SeedFacts => ({
  mappings: readMaps(pid),
  origin: readOrigin(pid),
  limits: readLimits(pid),
})

/** Numbers for descriptors of ours in the new processes. */
export type Services = Pick<ServiceDescriptors, "numbers" | "share" | "reserve">

/** Files of pages, each opened once and inherited by all new processes. Disposal closes the tool's own. */
export interface PagesSource extends Disposable {
  /** Parts of memory by the inherited descriptor that they are read from. */
  of(fills: ReturnType<typeof readFills>): SegmentPages[]
}

export function openPagesSource(services: Pick<Services, "share">): PagesSource {
  const numbers = new Map<string, number>()
  const opened: number[] = []
  const numberOf = (path: string): number =>
    numbers.getOrInsertComputed(path, () => {
      const fd = openSync(path, "r")
      opened.push(fd)
      return services.share(fd)
    })
  return {
    of: (fills) => [...fills].map(([path, parts]) => ({ fd: numberOf(path), fills: parts })),
    [Symbol.dispose]() {
      for (const fd of opened) closeSync(fd)
    },
  }
}

/** What the running kernel says of rseq lengths. */
function kernelRseq(): Ground["kernelRseq"] {
  const auxv = readAuxv(process.pid)
  const number = (type: bigint): number | undefined => (auxv.value(type) === null ? undefined : Number(auxv.value(type)))
  return { featureSize: number(AT.RSEQ_FEATURE_SIZE), align: number(AT.RSEQ_ALIGN) }
}

/** What is settled before the first process exists. */
export interface Settled
  extends Pick<Ground, "services" | "placeholder" | "exe" | "terminal" | "segments" | "shared" | "finisher" | "pids"> {
  readonly pages: ReadonlyMap<number, readonly SegmentPages[]>
  readonly segmentPages: ReadonlyMap<number, SegmentPages>
  readonly shares: ReadonlyMap<number, ReturnType<typeof shareOf>>
  readonly nursery: Nursery
}

/**
 * Settles numbers of descriptors, who shares what with whom, and PIDs of helpers. Creates no process.
 *
 * @param areaFd number at which new processes have the stub's area   @param terminal the same for the tool's terminal
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT of pages · E_IMAGE_UNSUPPORTED · E_RESTORE no PID is left
 */
export function settle(
  set: ImageSet,
  saved: SavedTree,
  plan: BirthPlan,
  services: Services,
  source: PagesSource,
  { areaFd, terminal }: { readonly areaFd: number; readonly terminal: number | undefined },
): Settled {
  const { root, processes, segments } = saved
  const exe = services.reserve()
  const pages = new Map(processes.map((one) => [one.tree.pid, pagesOf(set, one, source)]))
  const segmentPages = new Map(
    segments.flatMap(({ shmid }) => {
      const [stored] = set.has("pagemap-shmem", shmid) ? source.of(readFills(set, "pagemap-shmem", shmid)) : []
      return stored ? [[shmid, stored] as const] : []
    }),
  )
  const pids = new Set([...processes, ...saved.dead].map(({ tree }) => tree.pid))
  const tables = processes.map(({ tree, files: { fdinfos } }) => ({ pid: tree.pid, fdinfos }))
  const { ids, finisher } = findShared(distinctTables(processes, tables), root.files.files)
  const shared = new Map(ids.map((id) => [id, services.reserve()]))
  const made = new Map(segments.map(({ inode_id }) => [Number(inode_id), services.reserve()]))
  const shares = new Map(
    processes.map((one) => [
      one.tree.pid,
      shareOf(
        one,
        processes.find(({ tree }) => tree.pid === one.tree.ppid),
      ),
    ]),
  )
  const wanted = new Set([...pids, ...processes.flatMap(({ tree }) => tree.threads)])
  const nursery = openNursery(plan, saved, shares, wanted)
  const numbers = services.numbers
  return {
    services: numbers,
    placeholder: areaFd,
    exe,
    terminal,
    segments: made,
    shared,
    finisher,
    pids,
    pages,
    segmentPages,
    shares,
    nursery,
  }
}

const pagesOf = (set: ImageSet, saved: SavedProcess, source: PagesSource): SegmentPages[] =>
  set.has("pagemap", saved.tree.pid) ? source.of(readFills(set, "pagemap", saved.tree.pid, kernelAreas(saved))) : []

/** One table for each set of processes that share it: that of the first. */
function distinctTables<T>(processes: readonly SavedProcess[], tables: readonly T[]): T[] {
  const seen = new Set<number>()
  return tables.filter((_, index) => {
    const id = processes[index]?.ids.files_id ?? 0
    return !seen.has(id) && seen.add(id)
  })
}

/** All that programs are built from. */
export interface Site {
  readonly saved: SavedTree
  readonly ground: Ground
  readonly plots: ReadonlyMap<number, Plot>
  readonly nursery: Nursery
  readonly segmentPages: Settled["segmentPages"]
  /** Where the root maps shared memory for a moment. */
  readonly hole: bigint
}

/** Brings together what was settled and what the first process turned out to have. Pure. */
export function openSite(saved: SavedTree, settled: Settled, facts: SeedFacts, strict: boolean): Site {
  const { processes, segments } = saved
  const { pages, segmentPages, shares, nursery, ...numbers } = settled
  const used = [...processes.flatMap(({ mm }) => mm.vmas), ...facts.mappings]
  const area = findHole(used, AREA_ROOM)
  const limits = raisedLimits(facts.limits)
  const ground: Ground = { ...numbers, area, mappings: facts.mappings, origin: facts.origin, limits, kernelRseq: kernelRseq(), strict }
  const plots = new Map(
    processes.map(({ tree: { pid } }): [number, Plot] => {
      const makes = shares.get(pid) ?? { memory: true, files: true, directories: true, handlers: true }
      return [pid, { pages: pages.get(pid) ?? [], makes }]
    }),
  )
  return { saved, ground, plots, nursery, segmentPages, hole: findHole([...used, area], holeSize(segments)).start }
}
